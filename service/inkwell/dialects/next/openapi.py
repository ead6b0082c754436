"""The OpenAPI description of `/v1/next`."""

from inkwell.dialects.next.parameters import NEXT_PARAMETERS
from inkwell.errors import UnsupportedParameter
from inkwell.http.openapi import (
    BODY_REFUSALS,
    GENERATION_ERRORS,
    Spec,
    body_schema,
    error_responses,
    json_reply,
    metadata_schema,
)
from inkwell.parameters import Inspect

DESCRIPTION = (
    "Returns the most likely next tokens after `prompt`, with their probabilities in the model's own distribution "
    "(the stage `model`) and after each step of the sampler that the request activates, and what each step removed. "
    "The list has the `top` most likely tokens of the model, followed by those of the last stage that are not among "
    "them. Nothing is drawn."
)
EXAMPLE: Spec = {"prompt": "Once upon a", "top": 5, "temperature": 0.8, "top_k": 40, "top_p": 0.95}
COUNT: Spec = {"type": "integer"}
NUMBER: Spec = {"type": "number"}


def next_token() -> Spec:
    content = {"application/json": {"schema": body_schema(NEXT_PARAMETERS), "example": EXAMPLE}}
    return {
        "tags": ["scores"],
        "summary": "Inspect the distribution of the next token",
        "description": DESCRIPTION,
        "requestBody": {"required": True, "content": content},
        "responses": {"200": json_reply("The tokens and the stages.", _reply())}
        | error_responses(*GENERATION_ERRORS, UnsupportedParameter, refusals=BODY_REFUSALS),
    }


def _reply() -> Spec:
    probabilities = {"type": "object", "additionalProperties": NUMBER, "description": "By stage; 0 for removed tokens."}
    token = {"id": COUNT, "text": {"type": "string"}, "probabilities": probabilities}
    stage = {
        "name": {"type": "string"},
        "kept": COUNT | {"description": "Tokens with a probability above 0."},
        "removed": COUNT | {"description": "Tokens that this step removed."},
        "removed_mass": NUMBER | {"description": "Their probability before this step."},
    }
    return {
        "type": "object",
        "properties": {
            "tokens": {"type": "array", "items": {"type": "object", "properties": token}},
            "stages": {"type": "array", "items": {"type": "object", "properties": stage}},
            "model": {"type": "string"},
            "inkwell": metadata_schema(Inspect(1)),
        },
    }
