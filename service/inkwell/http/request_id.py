"""Gives every request an id, which is in its reply and its log records: the client's own if it is safe, else a new one.

A new id begins with Apache's own, which a reply has when Apache discards ours, and ends in random digits: an id must
not be guessable, because a request can be cancelled by its id.
"""

import re
import secrets

from flask import Flask, Response, g, request

HEADER = "X-Request-Id"
SECRET_BYTES = 16
# Nothing that could forge a log line or a header. "@" is in some of Apache's ids, and ours must be valid too.
SAFE = re.compile(r"[A-Za-z0-9@._-]{1,64}")


def register(app: Flask) -> None:
    """Set `g.request_id` before any view and the header after it."""
    app.before_request(_assign)
    app.after_request(_announce)


def _assign() -> None:
    given = request.headers.get(HEADER, "")
    g.request_id = given if SAFE.fullmatch(given) else _new(request.environ.get("UNIQUE_ID"))


def _new(apache_id: str | None) -> str:
    """A new id; without Apache, as in development, only the random digits."""
    secret = secrets.token_hex(SECRET_BYTES)
    return f"{apache_id}-{secret}" if apache_id else secret


def _announce(response: Response) -> Response:
    response.headers[HEADER] = g.request_id
    return response
