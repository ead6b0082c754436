"""Lets the pages of named origins call the service from a browser; without names no header is ever sent.

An origin is compared as a whole with a literal list and never reflected, cookies play no part (no
Access-Control-Allow-Credentials), and a page on the public net does not get into a private one.
"""

from collections.abc import Collection

from flask import Flask, Response, request

ALLOWED_HEADERS = "Authorization, Content-Type, X-Api-Key, X-Request-Id"
EXPOSED_HEADERS = ("X-Request-Id", "Retry-After", "Retry-After-Ms")
EXPOSED_PREFIX = "X-Inkwell-"
PREFLIGHT_S = 600  # how long a browser may remember the answer


def register(app: Flask, origins: Collection[str]) -> None:
    """Answer preflights, and mark the replies. Call it before the check of keys: a preflight carries none."""
    if not origins:
        return

    def preflight() -> Response | None:
        asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not asks or request.headers.get("Origin") not in origins or request.endpoint is None:
            return None
        allowed = app.make_default_options_response().allow
        response = Response(status=204)
        response.headers["Access-Control-Allow-Methods"] = ", ".join(sorted(allowed))
        response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_S)
        return response

    def mark(response: Response) -> Response:
        response.vary.add("Origin")  # a cache must not give one origin's reply to another
        origin = request.headers.get("Origin")
        if origin in origins:
            own = [name for name in response.headers.keys() if name.startswith(EXPOSED_PREFIX)]
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = ", ".join([*EXPOSED_HEADERS, *own])
        return response

    app.before_request(preflight)
    app.after_request(mark)
