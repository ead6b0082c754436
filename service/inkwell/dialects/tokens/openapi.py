"""The OpenAPI description of `/tokenize` and `/detokenize`."""

from inkwell.dialects.tokens.parameters import DETOKENIZE_PARAMETERS, TOKENIZE_PARAMETERS
from inkwell.http.openapi import (
    ADMISSION_ERRORS,
    BODY_REFUSALS,
    KEY_ERRORS,
    MODEL_ERRORS,
    PARAMETER_ERRORS,
    Spec,
    body_schema,
    error_responses,
    json_reply,
)
from inkwell.parameters.parameter import Parameter

DESCRIPTION = (
    "No model runs for it, so it neither waits nor uses up a client's requests or tokens of the minute. While it lasts "
    "it is one of the service's running requests, and is refused with 429 when there are too many."
)
ERRORS = (*KEY_ERRORS, *MODEL_ERRORS, *PARAMETER_ERRORS, *ADMISSION_ERRORS)
CHARACTERS = "The characters that the token has a part in; tokens that share one all have it."


def tokenize() -> Spec:
    properties = {
        "id": {"type": "integer"},
        "text": {"type": "string", "description": CHARACTERS},
        "start": {"type": "integer", "description": "Characters before them."},
        "stop": {"type": "integer"},
    }
    reply = {"type": "array", "items": {"type": "object", "properties": properties}}
    return _operation("Text to token ids", TOKENIZE_PARAMETERS, "The tokens, in order.", reply)


def detokenize() -> Spec:
    text = {"type": "string", "description": "With U+FFFD for bytes that are no character."}
    reply = {"type": "object", "properties": {"text": text}}
    return _operation("Token ids to text", DETOKENIZE_PARAMETERS, "What the tokens spell.", reply)


def _operation(summary: str, rows: tuple[Parameter, ...], description: str, reply: Spec) -> Spec:
    return {
        "tags": ["tokens"],
        "summary": summary,
        "description": DESCRIPTION,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body_schema(rows)}}},
        "responses": {"200": json_reply(description, reply)} | error_responses(*ERRORS, refusals=BODY_REFUSALS),
    }
