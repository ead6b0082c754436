"""Gives every request an id: the client's own if it is harmless, else a new one; it is in every reply and record."""

import re
import uuid

from flask import Flask, Response, g, request

HEADER = "X-Request-Id"
HARMLESS = re.compile(r"[A-Za-z0-9._-]{1,64}")  # nothing that could forge a log line or a header


def register(app: Flask) -> None:
    """Set `g.request_id` before any view and the header after it."""
    app.before_request(_assign)
    app.after_request(_announce)


def _assign() -> None:
    given = request.headers.get(HEADER, "")
    g.request_id = given if HARMLESS.fullmatch(given) else uuid.uuid4().hex


def _announce(response: Response) -> Response:
    response.headers[HEADER] = g.request_id
    return response
