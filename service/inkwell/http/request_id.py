"""Gives every request an id: the client's own if it is harmless, else a new one; it is in every reply and record.

A new one begins with Apache's, which is in the reply where Apache discards ours, and ends in what nobody can guess: who
knows an id can cancel its request.
"""

import re
import secrets

from flask import Flask, Response, g, request

HEADER = "X-Request-Id"
SECRET_BYTES = 16
# Nothing that could forge a log line or a header; "@" because Apache's may hold it, and our own must pass.
HARMLESS = re.compile(r"[A-Za-z0-9@._-]{1,64}")


def register(app: Flask) -> None:
    """Set `g.request_id` before any view and the header after it."""
    app.before_request(_assign)
    app.after_request(_announce)


def _assign() -> None:
    given = request.headers.get(HEADER, "")
    g.request_id = given if HARMLESS.fullmatch(given) else _new(request.environ.get("UNIQUE_ID"))


def _new(apaches: str | None) -> str:
    """Without Apache, as in development, there is nothing that it begins with."""
    secret = secrets.token_hex(SECRET_BYTES)
    return f"{apaches}-{secret}" if apaches else secret


def _announce(response: Response) -> Response:
    response.headers[HEADER] = g.request_id
    return response
