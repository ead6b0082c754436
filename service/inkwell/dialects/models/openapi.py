"""The OpenAPI description of `/models`."""

from inkwell.http.openapi import KEY_ERRORS, Spec, error_responses, json_reply
from inkwell.models.listing import Listing


def models() -> Spec:
    return {
        "tags": ["models"],
        "summary": "List the models",
        "responses": {"200": json_reply("All models.", Listing)} | error_responses(*KEY_ERRORS),
    }
