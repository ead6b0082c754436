"""The OpenAPI description of `/v1/requests`."""

from inkwell.errors import RequestNotFound
from inkwell.http.openapi import KEY_ERRORS, Spec, error_responses, json_reply

DESCRIPTION = (
    "Ends every request of this id that runs or waits, and was sent by the same client; an administrator ends "
    "anybody's. What was generated until then is its reply, with the finish reason `cancelled`. The id is the one "
    "that was sent as `X-Request-Id`, or that the first bytes of a stream came with in the header of that name."
)


def cancel() -> Spec:
    parameter = {
        "in": "path",
        "name": "request_id",
        "required": True,
        "description": "The request's X-Request-Id.",
        "schema": {"type": "string"},
        "example": "my-request",
    }
    properties = {
        "id": {"type": "string"},
        "cancelled": {"type": "integer", "description": "How many were ended."},
    }
    return {
        "tags": ["requests"],
        "summary": "Cancel a request",
        "description": DESCRIPTION,
        "parameters": [parameter],
        "responses": {"200": json_reply("Ended.", {"type": "object", "properties": properties})}
        | error_responses(*KEY_ERRORS, RequestNotFound),
    }
