"""The OpenAPI description of `/text-generate`."""

from typing import get_args

from inkwell.generation import Finish
from inkwell.http.openapi import (
    BODY_REFUSALS,
    GENERATION_ERRORS,
    Spec,
    body_schema,
    error_responses,
    event_stream,
    row_meaning,
    row_schema,
    text_schema,
)
from inkwell.parameters import NOT_EFFECTIVE, PARAMETERS, Parameter

TEXT_EXAMPLE = " there was a king"
SSE_EXAMPLE = (
    'data: {"sample":0,"text":" there was"}\n\n'
    'data: {"sample":0,"text":" a king","finish_reason":"length"}\n\n'
    'data: {"request_id":"...","model_name":"demo","generated_tokens":4}\n\ndata: [DONE]\n\n'
)
DESCRIPTION = (
    "Continues `input_text`. The reply is the plain generated text; with the header `Accept: application/json` it is a "
    "JSON object with the details, and with `stream=true` or `Accept: text/event-stream` a stream of server-sent "
    "events. Only a stream that ends in `data: [DONE]` is complete."
)


def generate_get() -> Spec:
    return {
        "tags": ["generation"],
        "summary": "Generate text",
        "description": DESCRIPTION,
        "parameters": [_query_parameter(row) for row in PARAMETERS],
        "responses": _responses(),
    }


def generate_post() -> Spec:
    content = {
        "application/json": {"schema": body_schema(PARAMETERS)},
        "application/x-www-form-urlencoded": {"schema": body_schema(PARAMETERS, form=True)},
    }
    return {
        "tags": ["generation"],
        "summary": "Generate text, with parameters in the body",
        "description": DESCRIPTION,
        "requestBody": {"required": True, "content": content},
        "responses": _responses(*BODY_REFUSALS),
    }


def _query_parameter(row: Parameter) -> Spec:
    place = {"in": "query", "name": row.name, "required": row.required, "description": row_meaning(row, as_text=True)}
    return place | text_schema(row)


def _responses(*refusals: int) -> Spec:
    """The three forms of the reply, and all errors; `refusals` are the statuses of Flask that this method can get."""
    content = {
        "text/plain": {"schema": {"type": "string"}, "example": TEXT_EXAMPLE},
        "application/json": {"schema": _details_schema()},
    } | event_stream(SSE_EXAMPLE)
    found = {"200": {"description": "The generated text.", "content": content}}
    return found | error_responses(*GENERATION_ERRORS, refusals=refusals)


def _details_schema() -> Spec:
    text, count, seconds = {"type": "string"}, {"type": "integer", "example": 4}, {"type": "number", "example": 0.0521}
    logprob = {"type": "number", "example": -1.6094}
    likeliest = {"type": "object", "properties": {"id": count, "logprob": logprob}}
    place = {"id": count, "text": text, "logprob": logprob | {"nullable": True}, "offset": count}
    token = {"type": "object", "properties": place | {"top": {"type": "array", "items": likeliest}}}
    sample = {
        "text": text | {"example": TEXT_EXAMPLE},
        "finish_reason": text | {"enum": list(get_args(Finish))},
        "generated_tokens": count,
        "stop": text | {"description": "The stop string that ended the text."},
        "sentence": text
        | {
            "nullable": True,
            "description": "With finish_sentence: whole, extended, cut, or open if none ended.",
        },
        "tokens": {"type": "array", "items": token, "description": "With logprobs."},
        "prompt": {"type": "array", "items": token, "description": "The prompt, with prompt_logprobs."},
    }
    effective = {row.name: row_schema(row) | {"nullable": True} for row in PARAMETERS if row.name not in NOT_EFFECTIVE}
    return {
        "type": "object",
        "properties": {
            "request_id": text | {"example": "awIiy4swUbkkBrZ@LM55xgAAAAI-0f9c2ab47d1e4c6f8a35b1d20e7c9642"},
            "model_name": text | {"example": "demo"},
            "samples": {"type": "array", "items": {"type": "object", "properties": sample}},
            "prompt_tokens": count,
            "cached_tokens": count | {"description": "Prompt tokens reused from the cache of earlier requests."},
            "dropped_tokens": count | {"description": "Tokens cut off the prompt or moved out of the context."},
            "generated_tokens": count,
            "parameters": {"type": "object", "properties": effective, "description": "As used, with the seed."},
            "queue_s": seconds,
            "first_token_s": seconds | {"nullable": True},
            "duration_s": seconds,
        },
    }
