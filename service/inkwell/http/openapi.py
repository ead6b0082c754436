"""The parts of the OpenAPI document that all dialects share: parameters, bodies, replies, errors, and its frame.

A dialect describes its operations in its own openapi.py, and `documented` attaches them to its views. Parameters and
errors are described by their tables.
"""

import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from flasgger import swag_from

from inkwell.errors import (
    Cancelled,
    ContextLengthExceeded,
    DeadlineExceeded,
    EngineFailed,
    Forbidden,
    InkwellError,
    InvalidBody,
    InvalidLogits,
    InvalidParameter,
    LoadFailed,
    LoadTimeout,
    ModelCorrupt,
    ModelNotDownloaded,
    ModelNotFound,
    NeedsConversion,
    QueueFull,
    RateLimited,
    ShuttingDown,
    Unauthorized,
    UnknownParameter,
    WorkerDied,
    error_kinds,
)
from inkwell.http.error_handlers import TABLE, classify, error_body, unexpected_body
from inkwell.parameters import BY_NAME, GenerationRequest, Parameter, Task, effective
from inkwell.parameters.refusals import REFUSALS

Spec = dict[str, Any]
View = TypeVar("View", bound=Callable[..., Any])
JSON_TYPES = {str: "string", int: "integer"}
BODY_REFUSALS = (413, 415)  # statuses with which Flask may refuse a body
# What an endpoint can raise if it needs a key, looks up a model, reads parameters, or counts as a running request; and
# everything that a generation can raise.
KEY_ERRORS = (Unauthorized, Forbidden)
MODEL_ERRORS = (ModelNotFound, ModelNotDownloaded, ModelCorrupt, NeedsConversion)
PARAMETER_ERRORS = (InvalidParameter, UnknownParameter, InvalidBody)
ADMISSION_ERRORS = (QueueFull, ShuttingDown)
GENERATION_ERRORS = (
    *KEY_ERRORS, *MODEL_ERRORS, *PARAMETER_ERRORS, *ADMISSION_ERRORS, ContextLengthExceeded, RateLimited, LoadTimeout,
    LoadFailed, Cancelled, DeadlineExceeded, WorkerDied, EngineFailed, InvalidLogits,
)  # fmt: skip


def template(version: str) -> Spec:
    """The document without its operations."""
    return {
        "info": {
            "title": "Inkwell",
            "version": version,
            "description": "Text generation with GPT-2 and GPT-J models. Every reply has an `X-Request-Id` header.",
        },
        # relative to the document, so that it also holds below a proxy's prefix
        "servers": [{"url": "./", "description": "this service"}],
        "components": {
            "schemas": {"Error": error_schema()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
        },
        "security": [{}, {"bearer": []}, {"key": []}],  # {}: without configured keys none is needed
    }


def documented(operation: Spec) -> Callable[[View], View]:
    """Describe a view in the document."""
    decorate: Callable[[View], View] = swag_from(operation)
    return decorate


def row_schema(row: Parameter) -> Spec:
    """Type, limits and default of a parameter."""
    spec: Spec = dict(row.schema) or {"type": row.kind}
    if row.choices:
        spec["enum"] = list(row.choices)
    elif row.kind == "string" and not row.may_be_empty:
        spec["minLength"] = 1
    if row.default is not None and not row.schema:
        spec["default"] = row.default
    if row.above is not None:
        spec |= {"minimum": row.above, "exclusiveMinimum": True}
    elif row.low is not None:
        spec["minimum"] = row.low
    if row.high is not None:
        spec["maximum"] = row.high
    return spec


def row_meaning(row: Parameter, as_text: bool = False) -> str:
    """What a parameter does, with its limits in words: the page does not show the limits of a schema."""
    plain = row.default is not None and not row.schema  # a list or an object is absent by default
    default = f"default {json.dumps(row.default).removesuffix('.0')}" if plain else None
    limits = "; ".join(filter(None, (row.range, default)))
    encoding = "Written as JSON." if as_text and row.kind == "object" else ""
    return " ".join(filter(None, (row.help, f"{limits[:1].upper()}{limits[1:]}." if limits else "", encoding)))


def body_schema(rows: Sequence[Parameter], form: bool = False) -> Spec:
    """The JSON object, or the form, that a table reads. In JSON, null is the same as leaving the field out."""
    field = _form_field if form else _json_field
    properties = {row.name: field(row) | {"description": row_meaning(row, as_text=form)} for row in rows}
    required = [row.name for row in rows if row.required]
    schema: Spec = {"type": "object", "additionalProperties": False, "properties": properties}
    return schema | ({"required": required} if required else {})  # an empty list is not valid


def text_schema(row: Parameter) -> Spec:
    """The same in a query or a form, where lists and objects are written as JSON."""
    if row.kind in ("array", "object"):
        return {"schema": {"type": "string"}, "example": json.dumps(row.example)}
    return {"schema": row_schema(row), "example": row.example}


def _form_field(row: Parameter) -> Spec:
    spec = text_schema(row)
    return {**spec["schema"], "example": spec["example"]}


def _json_field(row: Parameter) -> Spec:
    spec = row_schema(row)
    if not row.required:
        spec |= _nullable(spec)
    return spec | {"example": row.example}


def _nullable(spec: Spec) -> Spec:
    """What allows null beside the values of a schema; an enum must list it."""
    return {"nullable": True} | ({"enum": [*spec["enum"], None]} if "enum" in spec else {})


def event_stream(example: str) -> Spec:
    """A reply of server-sent events. The schema describes one event, as is usual before OpenAPI 3.2."""
    event = {"type": "object", "required": ["data"], "properties": {"data": {"type": "string"}}}
    return {"text/event-stream": {"schema": event, "example": example}}


def error_responses(*kinds: type[InkwellError], refusals: Sequence[int] = ()) -> Spec:
    """One response per status; its description lists the codes and when they occur.

    `kinds` are the errors that an endpoint can raise, `refusals` the statuses with which Flask may refuse a request.
    """
    bodies: dict[int, list[Spec]] = {}
    for kind in error_kinds():
        if kind in kinds:
            error = kind(str(inspect.getdoc(kind)))
            bodies.setdefault(classify(error)[0], []).append(error_body(error))
    bodies.setdefault(500, []).append(unexpected_body())
    for refusal in REFUSALS:
        if refusal.status in refusals:
            bodies[refusal.status] = [refusal.body()]
    return {str(status): _error_response(each) for status, each in sorted(bodies.items())}


def _error_response(bodies: list[Spec]) -> Spec:
    lines = ["- `{code}`: {message}".format(**body["error"]) for body in bodies]
    content = {"schema": {"$ref": "#/components/schemas/Error"}, "example": bodies[0]}
    return {"description": "\n".join(lines), "content": {"application/json": content}}


def json_reply(description: str, reply: Any) -> Spec:
    """A reply in JSON, described by a schema or by a type."""
    schema = reply if isinstance(reply, dict) else reply_schema(reply)
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def reply_schema(kind: Any) -> Spec:
    """The schema of the JSON that a type becomes; its objects are dataclasses, whose fields may have a description.

    For replies that exist as dataclasses anyway. For others a type would only repeat the keys of the code that builds
    the reply, so their schemas are written by hand, and tests compare them with real replies.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return reply_schema(arguments[0]) | {"description": arguments[1]}
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": reply_schema(arguments[0])}
    if NoneType in arguments:
        (other,) = (each for each in arguments if each is not NoneType)
        schema = reply_schema(other)
        return schema | _nullable(schema)
    if kind in JSON_TYPES:
        return {"type": JSON_TYPES[kind]}
    if not is_dataclass(kind):
        raise TypeError(f"{kind} has no schema")
    properties = {name: reply_schema(hint) for name, hint in get_type_hints(kind, include_extras=True).items()}
    return {"type": "object", "required": list(properties), "properties": properties}


def error_schema() -> Spec:
    text = {"type": "string"}
    kinds = sorted({kind for _, kind, _ in TABLE.values()})
    fields = {"message": text, "type": text | {"enum": kinds}, "param": text | {"nullable": True}, "code": text}
    error = {"type": "object", "required": list(fields), "properties": fields}
    return {"type": "object", "required": ["error"], "properties": {"error": error}}


def metadata_schema(task: Task) -> Spec:
    """What every reply reports in `inkwell`, with the parameters of the task; for tasks that generate no texts."""
    text, count, seconds = {"type": "string"}, {"type": "integer"}, {"type": "number"}
    names = effective(GenerationRequest((), task))
    parameters = {name: row_schema(BY_NAME[name]) | {"nullable": True} for name in names}
    properties = {
        "request_id": text,
        "model_name": text,
        "prompt_tokens": count,
        "cached_tokens": count | {"description": "Of the prompts, reused from earlier requests."},
        "dropped_tokens": count | {"description": "Cut off the prompts."},
        "parameters": {"type": "object", "properties": parameters, "description": "As used, by their native names."},
        "queue_s": seconds,
        "duration_s": seconds,
    }
    return {"type": "object", "properties": properties}
