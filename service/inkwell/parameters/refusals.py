"""Requests rejected by Apache or Flask before any code of this package sees them: status, code, message, limits.

The application answers with these rows, Apache's configuration serves them as files, and docs/reference.md lists them.
The limits are here because the messages contain them.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from inkwell.parameters import MAX_INPUT_BYTES

# Fits the longest prompt in a GET query with every byte written as %XX, plus the other parameters; whether it is too
# long for a model is decided by the application, in tokens. 200 connections with such lines take 40 MB at most.
REQUEST_LINE_BYTES = 3 * MAX_INPUT_BYTES + 4_096
HEADER_BYTES = 8_190
HEADERS = 50
BODY_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reply to one status that Apache or Flask sets before the application runs."""

    status: int
    type: str
    code: str
    message: str

    def body(self) -> dict[str, Any]:
        """The body of the reply, in the common format of all errors."""
        return {"error": {"message": self.message, "type": self.type, "param": None, "code": self.code}}


CALLER = "invalid_request_error"
HEADER_LIMITS = f"at most {HEADERS} headers, each of at most {HEADER_BYTES} bytes"
REFUSALS = (
    Refusal(400, CALLER, "bad_request", f"the request is not well-formed HTTP with {HEADER_LIMITS}"),
    Refusal(403, "permission_error", "forbidden", "this address is not open to requests"),
    Refusal(404, CALLER, "not_found", "there is no endpoint at this address; the endpoints are listed at /apidocs/"),
    Refusal(405, CALLER, "method_not_allowed", "this address does not support this method"),
    Refusal(408, CALLER, "request_timeout", "the request did not arrive completely in time"),
    Refusal(411, CALLER, "length_required", "a body needs a Content-Length; chunked requests are not accepted"),
    Refusal(412, CALLER, "precondition_failed", "the file does not match the If-Match header"),
    Refusal(413, CALLER, "payload_too_large", f"the body is larger than {BODY_BYTES} bytes"),
    Refusal(414, CALLER, "uri_too_long", f"the request line is longer than {REQUEST_LINE_BYTES} bytes; use POST"),
    Refusal(
        415,
        CALLER,
        "unsupported_media_type",
        "send uncompressed UTF-8 as application/json or application/x-www-form-urlencoded",
    ),
    Refusal(416, CALLER, "range_not_satisfiable", "the Range header does not match this file's size"),
    Refusal(417, CALLER, "expectation_failed", "the Expect header may only ask for 100-continue"),
    Refusal(431, CALLER, "headers_too_large", f"the headers are too large: {HEADER_LIMITS}"),
    Refusal(500, "server_error", "internal_error", "the web process failed on this request; see the log"),
    Refusal(501, CALLER, "not_implemented", "the service does not implement this method or transfer encoding"),
    Refusal(
        502, "server_error", "bad_gateway", "the web process ended before it answered; the same request may succeed"
    ),
    Refusal(503, "overloaded_error", "service_unavailable", "the web process cannot take the request now; try again"),
    Refusal(504, "timeout_error", "gateway_timeout", "the web process did not answer in time"),
    Refusal(505, CALLER, "http_version_not_supported", "this version of HTTP is not supported; use HTTP/1.1"),
)


def refusal_of(status: int) -> Refusal:
    """The row of a status, or else a refusal that states only the status."""
    known = next((refusal for refusal in REFUSALS if refusal.status == status), None)
    if known is not None:
        return known
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "no standard status"
    kind = CALLER if status < 500 else "server_error"
    return Refusal(status, kind, f"http_{status}", f"the request was refused with status {status} ({phrase})")
