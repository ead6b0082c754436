"""The OpenAPI description of `/tokenize` and `/detokenize`."""

from typing import Any

from inkwell.dialects.tokens.parameters import DETOKENIZE_PARAMETERS, TOKENIZE_PARAMETERS
from inkwell.dialects.tokens.token_spans import Span
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
    "Runs no model, so it neither queues nor counts against the client's requests or tokens per minute. It does count "
    "as a running request of the service, and gets 429 when there are too many."
)
ERRORS = (*KEY_ERRORS, *MODEL_ERRORS, *PARAMETER_ERRORS, *ADMISSION_ERRORS)


def tokenize() -> Spec:
    return _operation("Text to token ids", TOKENIZE_PARAMETERS, "The tokens, in order.", list[Span])


def detokenize() -> Spec:
    text = {"type": "string", "description": "With U+FFFD for bytes that are no whole character."}
    reply = {"type": "object", "properties": {"text": text}}
    return _operation("Token ids to text", DETOKENIZE_PARAMETERS, "The text of the tokens.", reply)


def _operation(summary: str, rows: tuple[Parameter, ...], description: str, reply: Any) -> Spec:
    return {
        "tags": ["tokens"],
        "summary": summary,
        "description": DESCRIPTION,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body_schema(rows)}}},
        "responses": {"200": json_reply(description, reply)} | error_responses(*ERRORS, refusals=BODY_REFUSALS),
    }
