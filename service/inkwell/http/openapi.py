"""What the OpenAPI descriptions of all dialects share: parameters, bodies, replies, errors, and the document's frame.

A dialect describes its operations in its own openapi.py, and `documented` attaches them to its views. Everything that
the tables of parameters and errors say comes from them.
"""

import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

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
BODY_REFUSALS = (413, 415)  # what Flask may answer to a body
# What an endpoint can raise: if it needs a key, looks a model up, reads parameters, counts as a running request, and
# all that a generation can.
KEY_ERRORS = (Unauthorized, Forbidden)
MODEL_ERRORS = (ModelNotFound, ModelNotDownloaded, ModelCorrupt, NeedsConversion)
PARAMETER_ERRORS = (InvalidParameter, UnknownParameter, InvalidBody)
ADMISSION_ERRORS = (QueueFull, ShuttingDown)
GENERATION_ERRORS = (
    *KEY_ERRORS, *MODEL_ERRORS, *PARAMETER_ERRORS, *ADMISSION_ERRORS, ContextLengthExceeded, RateLimited, LoadTimeout,
    LoadFailed, Cancelled, DeadlineExceeded, WorkerDied, EngineFailed, InvalidLogits,
)  # fmt: skip


def template(version: str) -> Spec:
    """The document apart from its operations."""
    return {
        "info": {
            "title": "Inkwell",
            "version": version,
            "description": "Text generation with GPT-2 and GPT-J models. Every reply carries an `X-Request-Id`.",
        },
        # relative to the document, so it is right behind a proxy's prefix too
        "servers": [{"url": "./", "description": "this service"}],
        "components": {
            "schemas": {"Error": error_schema()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
        },
        "security": [{}, {"bearer": []}, {"key": []}],  # none is needed where no keys are configured
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
    """What a parameter does, with its limits in words: the page does not show those of the schema."""
    plain = row.default is not None and not row.schema  # a list or an object is absent by default
    default = f"default {json.dumps(row.default).removesuffix('.0')}" if plain else None
    limits = "; ".join(filter(None, (row.range, default)))
    encoding = "Written as JSON." if as_text and row.kind == "object" else ""
    return " ".join(filter(None, (row.help, f"{limits[:1].upper()}{limits[1:]}." if limits else "", encoding)))


def body_schema(rows: Sequence[Parameter], form: bool = False) -> Spec:
    """The JSON object, or the form, that a table reads. In JSON null stands for what holds without the field."""
    field = _form_field if form else _json_field
    properties = {row.name: field(row) | {"description": row_meaning(row, as_text=form)} for row in rows}
    required = [row.name for row in rows if row.required]
    schema: Spec = {"type": "object", "additionalProperties": False, "properties": properties}
    return schema | ({"required": required} if required else {})  # an empty list would be no valid schema


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
        values = {"enum": [*spec["enum"], None]} if "enum" in spec else {}  # else null would be none of them
        spec |= values | {"nullable": True}
    return spec | {"example": row.example}


def event_stream(example: str) -> Spec:
    """A reply in server-sent events. As is usual before OpenAPI 3.2, the schema is that of one event."""
    event = {"type": "object", "required": ["data"], "properties": {"data": {"type": "string"}}}
    return {"text/event-stream": {"schema": event, "example": example}}


def error_responses(*kinds: type[InkwellError], refusals: Sequence[int] = ()) -> Spec:
    """One response a status; its description lists the codes and when they occur.

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


def json_reply(description: str, schema: Spec) -> Spec:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


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
