"""The OpenAPI descriptions of `/v1/completions` and `/v1/models`, and the parts that chat shares with them."""

from inkwell.dialects.openai.completion_parameters import PARAMETERS, REFUSED
from inkwell.errors import UnsupportedParameter
from inkwell.http.openapi import (
    BODY_REFUSALS,
    GENERATION_ERRORS,
    KEY_ERRORS,
    MODEL_ERRORS,
    Spec,
    body_schema,
    error_responses,
    event_stream,
    json_reply,
)

DESCRIPTION = (
    "Compatible with OpenAI's endpoint of this name: its clients work with this service as their base URL. Each text "
    "of each prompt is a choice, with the index `prompt * n + sample`. Every reply ends in `inkwell`, which holds the "
    "effective parameters with the seed, the native finish reasons and the times. With `stream` the reply is a stream "
    "of server-sent events; only one that ends in `data: [DONE]` is complete. Fields of OpenAI's that are not "
    "supported are refused: {refused}."
)
EXAMPLE = {"model": "demo", "prompt": "Once upon a time", "max_tokens": 24, "temperature": 0.8, "seed": 7}
SCORING = {"model": "demo", "prompt": "Once upon a time", "max_tokens": 0, "echo": True, "logprobs": 1}
STREAM_EXAMPLE = (
    'data: {"id":"cmpl-...","object":"text_completion","choices":[{"index":0,"text":" there was",'
    '"logprobs":null,"finish_reason":null}]}\n\ndata: [DONE]\n\n'
)
GENERATION_RESPONSES = error_responses(*GENERATION_ERRORS, UnsupportedParameter, refusals=BODY_REFUSALS)
TEXT: Spec = {"type": "string"}
COUNT: Spec = {"type": "integer"}
USAGE: Spec = {
    "type": "object",
    "properties": dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), COUNT),
}
INKWELL: Spec = {"type": "object", "description": "As in every reply of this service; other clients ignore it."}


def completions() -> Spec:
    examples = {"text": {"value": EXAMPLE}, "scores of a prompt": {"value": SCORING}}
    return {
        "tags": ["openai"],
        "summary": "Text completions (OpenAI)",
        "description": DESCRIPTION.format(refused=", ".join(REFUSED)),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body_schema(PARAMETERS), "examples": examples}},
        },
        "responses": replies("text_completion", _choice(), STREAM_EXAMPLE) | GENERATION_RESPONSES,
    }


def engine_completions() -> Spec:
    return completions() | {
        "summary": "Text completions, for OpenAI's clients before 1.0",
        "parameters": [_in_path("engine", "The model.")],
    }


def models() -> Spec:
    schema = {
        "type": "object",
        "properties": {"object": TEXT | {"enum": ["list"]}, "data": {"type": "array", "items": _model()}},
    }
    return {
        "tags": ["openai"],
        "summary": "List the models (OpenAI)",
        "description": "Models that can be requested. `/models` also lists the others, with the reason.",
        "responses": {"200": json_reply("The models.", schema)} | error_responses(*KEY_ERRORS),
    }


def model() -> Spec:
    return {
        "tags": ["openai"],
        "summary": "One model, by its name or an alias (OpenAI)",
        "parameters": [_in_path("model", "Name or alias.")],
        "responses": {"200": json_reply("The model.", _model())} | error_responses(*KEY_ERRORS, *MODEL_ERRORS),
    }


def replies(kind: str, choice: Spec, stream_example: str) -> Spec:
    """A whole reply with these choices, or a stream."""
    schema = {
        "type": "object",
        "properties": {
            "id": TEXT,
            "object": TEXT | {"enum": [kind]},
            "created": COUNT | {"description": "Seconds since 1970."},
            "model": TEXT,
            "system_fingerprint": TEXT
            | {"nullable": True, "description": "Version, device and number format; a seed's text may change with it."},
            "choices": {"type": "array", "items": {"type": "object", "properties": choice}},
            "usage": USAGE,
            "inkwell": INKWELL,
        },
    }
    content = {"application/json": {"schema": schema}} | event_stream(stream_example)
    return {"200": {"description": "The generated texts.", "content": content}}


def finish_reason() -> Spec:
    return TEXT | {"nullable": True, "enum": ["stop", "length", None]}


def _choice() -> Spec:
    number = {"type": "number", "nullable": True}
    likeliest = {"type": "object", "nullable": True, "additionalProperties": {"type": "number"}}
    lists = {"tokens": TEXT, "token_logprobs": number, "top_logprobs": likeliest, "text_offset": COUNT}
    logprobs = {name: {"type": "array", "items": items} for name, items in lists.items()}
    return {
        "text": TEXT,
        "index": COUNT,
        "logprobs": {"type": "object", "nullable": True, "properties": logprobs},
        "finish_reason": finish_reason(),
    }


def _model() -> Spec:
    count_or_null = COUNT | {"nullable": True}
    return {
        "type": "object",
        "properties": {
            "id": TEXT,
            "object": TEXT | {"enum": ["model"]},
            "created": COUNT | {"description": "When its folder changed, in seconds since 1970."},
            "owned_by": TEXT,
            "context_length": count_or_null | {"description": "Tokens of prompt and text together."},
            "family": TEXT | {"nullable": True},
            "state": TEXT | {"enum": ["available", "loading", "ready", "failed"]},
        },
    }


def _in_path(name: str, description: str) -> Spec:
    return {
        "in": "path",
        "name": name,
        "required": True,
        "description": description,
        "schema": TEXT,
        "example": "demo",
    }
