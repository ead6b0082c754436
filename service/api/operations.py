"""The OpenAPI description of every endpoint, built from the tables of parameters and errors.

`flasgger` joins these operations with Flask's routes into the spec; nothing here is written that a table already says.
"""

import inspect
import json
from typing import Any

from service.api.problems import TABLE, classify, error_body, unexpected_body
from service.errors import SettingsError, error_kinds
from service.params import PARAMETERS, Parameter
from service.refusals import REFUSALS

Spec = dict[str, Any]
TEXT_EXAMPLE = " there was a king"
SSE_EXAMPLE = (
    'data: {"sample":0,"text":" there was"}\n\n'
    'data: {"sample":0,"text":" a king","finish_reason":"length"}\n\n'
    'data: {"request_id":"...","model_name":"demo","generated_tokens":4}\n\ndata: [DONE]\n\n'
)
DESCRIPTION = (
    "Continues `input_text`. The answer is the generated text alone; with the header `Accept: application/json` it is "
    "a JSON object with the details, and with `stream=true` or `Accept: text/event-stream` it comes as server-sent "
    "events, of which `data: [DONE]` is the only mark of success."
)


def template(version: str) -> Spec:
    """What the spec says of the service as a whole."""
    return {
        "info": {
            "title": "Inkwell",
            "version": version,
            "description": "Text generation with GPT-2 and GPT-J models. Every reply carries an `X-Request-Id`.",
        },
        # relative to the spec, so it is right behind a proxy's prefix too
        "servers": [{"url": "./", "description": "this service"}],
        "components": {"schemas": {"Error": _error_schema(), "Details": _details_schema()}},
    }


def generate_get() -> Spec:
    return {
        "tags": ["generation"],
        "summary": "Generate text",
        "description": DESCRIPTION,
        "parameters": [_query_parameter(row) for row in PARAMETERS],
        "responses": _generation_responses(),
    }


def generate_post() -> Spec:
    properties = {row.name: _schema(row) | {"description": _meaning(row), "example": row.example} for row in PARAMETERS}
    schema = {
        "type": "object",
        "required": [row.name for row in PARAMETERS if row.required],
        "additionalProperties": False,
        "properties": properties,
    }
    content = dict.fromkeys(("application/json", "application/x-www-form-urlencoded"), {"schema": schema})
    return {
        "tags": ["generation"],
        "summary": "Generate text, parameters in the body",
        "description": DESCRIPTION,
        "requestBody": {"required": True, "content": content},
        "responses": _generation_responses(413, 415),
    }


def models() -> Spec:
    properties = {
        "name": {"type": "string"},
        "state": {
            "type": "string",
            "enum": ["ready", "loading", "available", "failed", "needs_conversion", "incomplete", "not_downloaded"],
        },
        "source": {"type": "string", "description": "Hub id and revision, or the folder."},
        "family": {"type": "string", "nullable": True},
        "parameters": {"type": "integer", "nullable": True, "description": "How many weights the model has."},
        "context": {"type": "integer", "nullable": True, "description": "Tokens of prompt and text together."},
        "memory_bytes": {
            "type": "integer",
            "nullable": True,
            "description": "What the model's process holds now, GPU memory included.",
        },
        "device": {"type": "string", "nullable": True},
        "dtype": {"type": "string", "nullable": True},
        "path": {"type": "string", "nullable": True, "description": "Which way the worker computes."},
        "rows": {"type": "integer", "nullable": True, "description": "Sequences that can share a step."},
        "error": {"type": "string", "nullable": True, "description": "Code of the error that the last load ended in."},
    }
    schema = {
        "type": "object",
        "properties": {
            "default_model": {"type": "string"},
            "models": {"type": "array", "items": {"type": "object", "properties": properties}},
        },
    }
    return {
        "tags": ["models"],
        "summary": "List the models",
        "responses": {"200": _reply("Every model that can be asked for.", schema)},
    }


def livez() -> Spec:
    schema = {"type": "object", "properties": {"status": {"type": "string", "enum": ["ok"]}}}
    return {"tags": ["health"], "summary": "Is the process alive", "responses": {"200": _reply("It is.", schema)}}


def readyz() -> Spec:
    schema = {
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": ["ready", "loading", "draining", "not_ready"]},
            "reason": {"type": "string", "nullable": True},
            "requests": {"type": "integer", "description": "Requests that run or wait."},
        },
    }
    return {
        "tags": ["health"],
        "summary": "Should it be sent requests",
        "responses": {"200": _reply("Yes.", schema), "503": _reply("Not now; `reason` says why.", schema)},
    }


def _schema(row: Parameter) -> Spec:
    """Type, limits and default of a parameter."""
    spec: Spec = {"type": row.kind}
    if row.default is not None:
        spec["default"] = row.default
    if row.above is not None:
        spec |= {"minimum": row.above, "exclusiveMinimum": True}
    elif row.low is not None:
        spec["minimum"] = row.low
    if row.high is not None:
        spec["maximum"] = row.high
    return spec


def _meaning(row: Parameter) -> str:
    """What a parameter does, with its limits in words: the page does not show those of the schema."""
    default = None if row.default is None else f"default {json.dumps(row.default).removesuffix('.0')}"
    limits = "; ".join(filter(None, (row.range, default)))
    return f"{row.help} {limits[:1].upper()}{limits[1:]}." if limits else row.help


def _query_parameter(row: Parameter) -> Spec:
    return {
        "in": "query",
        "name": row.name,
        "required": row.required,
        "description": _meaning(row),
        "schema": _schema(row),
        "example": row.example,
    }


def _generation_responses(*refusals: int) -> Spec:
    """The answer in its three forms and every error; `refusals` are those of Flask that this method can meet."""
    content = {
        "text/plain": {"schema": {"type": "string"}, "example": TEXT_EXAMPLE},
        "application/json": {"schema": {"$ref": "#/components/schemas/Details"}},
        "text/event-stream": {"schema": {"type": "string"}, "example": SSE_EXAMPLE},
    }
    return {"200": {"description": "The generated text.", "content": content}} | _error_responses(refusals)


def _error_responses(refusals: tuple[int, ...]) -> Spec:
    """One response a status; its description lists the codes and when they occur."""
    bodies: dict[int, list[Spec]] = {}
    for kind in error_kinds():
        if kind is not SettingsError:  # it stops the start, so no client can see it
            error = kind(str(inspect.getdoc(kind)))
            bodies.setdefault(classify(error)[0], []).append(error_body(error))
    bodies[500].append(unexpected_body())
    for refusal in REFUSALS:
        if refusal.status in refusals:
            bodies[refusal.status] = [refusal.body()]
    return {str(status): _error_response(each) for status, each in sorted(bodies.items())}


def _error_response(bodies: list[Spec]) -> Spec:
    lines = ["- `{code}`: {message}".format(**body["error"]) for body in bodies]
    content = {"schema": {"$ref": "#/components/schemas/Error"}, "example": bodies[0]}
    return {"description": "\n".join(lines), "content": {"application/json": content}}


def _reply(description: str, schema: Spec) -> Spec:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _error_schema() -> Spec:
    text = {"type": "string"}
    kinds = sorted({kind for _, kind, _ in TABLE.values()})
    fields = {"message": text, "type": text | {"enum": kinds}, "param": text | {"nullable": True}, "code": text}
    return {"type": "object", "properties": {"error": {"type": "object", "properties": fields}}}


def _details_schema() -> Spec:
    text, count = {"type": "string"}, {"type": "integer", "example": 4}
    sample = {
        "text": text | {"example": TEXT_EXAMPLE},
        "finish_reason": text | {"enum": ["length", "stop"]},
        "generated_tokens": count,
    }
    numbers = [row for row in PARAMETERS if row.is_number]
    effective = {row.name: {"type": row.kind, "example": row.example} for row in numbers}
    return {
        "type": "object",
        "properties": {
            "request_id": text | {"example": "0f9c2ab47d1e4c6f8a35b1d20e7c9642"},
            "model_name": text | {"example": "demo"},
            "samples": {"type": "array", "items": {"type": "object", "properties": sample}},
            "prompt_tokens": count,
            "cached_tokens": count | {"description": "Of the prompt, found computed by an earlier request."},
            "generated_tokens": count,
            "parameters": {"type": "object", "properties": effective, "description": "As used, with the seed."},
            "duration_s": {"type": "number", "example": 0.0521},
        },
    }
