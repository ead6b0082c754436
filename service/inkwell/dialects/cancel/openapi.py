"""The OpenAPI description of `/v1/requests`."""

from inkwell.errors import RequestNotFound
from inkwell.http.openapi import KEY_ERRORS, Spec, error_responses, json_reply

DESCRIPTION = (
    "Cancels every running or queued request with this id that was sent by the same client; an administrator can "
    "cancel those of all clients. A cancelled request is answered with the text generated so far and the finish reason "
    "`cancelled`. The id is that of the header `X-Request-Id`, in the request or in the first bytes of its reply."
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
        "cancelled": {"type": "integer", "description": "Number of cancelled requests."},
    }
    return {
        "tags": ["requests"],
        "summary": "Cancel a request",
        "description": DESCRIPTION,
        "parameters": [parameter],
        "responses": {"200": json_reply("Cancelled.", {"type": "object", "properties": properties})}
        | error_responses(*KEY_ERRORS, RequestNotFound),
    }
