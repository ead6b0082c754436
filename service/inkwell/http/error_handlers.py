"""Error replies: one table from errors to statuses, and one JSON shape for whole replies and streams.

    {"error": {"message": "...", "type": "...", "param": "..." or null, "code": "..."}}

A body holds the error's message, never its cause; the cause goes into the access log.
"""

import math
from typing import Any

from flask import Flask, Response, current_app, g, jsonify
from werkzeug.exceptions import ClientDisconnected, HTTPException, MethodNotAllowed, UnsupportedMediaType
from werkzeug.routing.exceptions import WebsocketMismatch

from inkwell.errors import (
    Cancelled,
    DeadlineExceeded,
    Forbidden,
    GenerationFailed,
    InkwellError,
    LoadTimeout,
    ModelNotDownloaded,
    ModelNotFound,
    ModelUnavailable,
    QueueFull,
    RateLimited,
    Refused,
    RequestError,
    RequestNotFound,
    ShuttingDown,
    Unauthorized,
)
from inkwell.http.access_log import AccessLogEntry
from inkwell.parameters.refusals import refusal_of

# (status, type, seconds until a retry may succeed or None), by the nearest class among an error's bases. An error that
# knows the seconds itself overrides them.
TABLE: dict[type[InkwellError], tuple[int, str, float | None]] = {
    ModelNotFound: (404, "invalid_request_error", None),
    ModelNotDownloaded: (404, "invalid_request_error", None),
    RequestNotFound: (404, "invalid_request_error", None),
    Unauthorized: (401, "authentication_error", None),
    Forbidden: (403, "permission_error", None),
    RequestError: (400, "invalid_request_error", None),
    QueueFull: (429, "rate_limit_error", 1),
    RateLimited: (429, "rate_limit_error", 1),
    ShuttingDown: (503, "overloaded_error", 5),
    Refused: (503, "overloaded_error", 5),
    LoadTimeout: (503, "overloaded_error", 10),
    ModelUnavailable: (503, "server_error", None),
    Cancelled: (400, "invalid_request_error", None),  # not a status on which clients retry
    DeadlineExceeded: (504, "timeout_error", None),
    GenerationFailed: (500, "server_error", None),
    InkwellError: (500, "server_error", None),
}

NO_WEBSOCKET = "WebSocket is not supported at this address; send a plain HTTP request"
UNEXPECTED = "internal error; the log has the details under this request's id"


def classify(error: InkwellError) -> tuple[int, str, float | None]:
    """The status and type of an error, and the seconds until a retry may succeed."""
    status, kind, usual_s = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    return status, kind, usual_s if error.retry_after_s is None else error.retry_after_s


def problem(message: str, kind: str, code: str, param: str | None = None) -> dict[str, Any]:
    """The one error body."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_body(error: InkwellError) -> dict[str, Any]:
    """The body of one of our own errors, for a reply or an event of a stream."""
    return problem(error.message, classify(error)[1], error.code, error.param)


def unexpected_body() -> dict[str, Any]:
    """The body of an unexpected exception."""
    return problem(UNEXPECTED, "server_error", InkwellError.code)


def note(error: Exception, entry: AccessLogEntry) -> None:
    """Put the error of a request into its log entry: the code and, for a failure, the details for the operator."""
    if not isinstance(error, InkwellError):
        entry.code = InkwellError.code
        # The exception's text might quote a prompt; its type and location cannot.
        entry.failure = {"error": _place(error)}
        return
    entry.code = error.code
    if classify(error)[0] >= 500 and not isinstance(error, Refused):
        entry.failure = {"error": error.message, "cause": error.cause}


def register(app: Flask) -> None:
    """Answer every error of the application in the one shape."""
    app.register_error_handler(InkwellError, _own)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def _own(error: InkwellError) -> Response:
    note(error, g.log_entry)
    status, _, retry_after_s = classify(error)
    response = jsonify(error_body(error))
    response.status_code = status
    response.headers.update(_retry_headers(retry_after_s))
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _retry_headers(retry_after_s: float | None) -> dict[str, str]:
    """The standard header has whole seconds; OpenAI's clients prefer the one in milliseconds."""
    if retry_after_s is None:
        return {}
    return {
        "Retry-After": str(max(1, math.ceil(retry_after_s))),
        "Retry-After-Ms": str(max(1, math.ceil(1000 * retry_after_s))),
    }


def _http(error: HTTPException) -> Response:
    # Apache answers with this status when a body is late; a disconnected client gets no response.
    status = 408 if isinstance(error, ClientDisconnected) else error.code or 500
    if 300 <= status < 400:  # a redirect to the address with its slash
        return current_app.make_response(error)
    refusal = refusal_of(status)
    body = refusal.body()
    g.log_entry.code = refusal.code
    if isinstance(error, UnsupportedMediaType) and "description" in vars(error):  # request_body.py names what it takes
        body["error"]["message"] = error.description
    elif isinstance(error, WebsocketMismatch):
        body["error"]["message"] = NO_WEBSOCKET
    response = jsonify(body)
    response.status_code = status
    response.headers.update({name: value for name, value in error.get_headers() if name != "Content-Type"})
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _unexpected(error: Exception) -> Response:
    note(error, g.log_entry)
    response = jsonify(unexpected_body())
    response.status_code = 500
    return response


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" in {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{where}"
