"""CORS: pages of configured origins may call the service from a browser; without any, no CORS header is sent.

An origin must equal an entry of the list. Cookies are never allowed (no Access-Control-Allow-Credentials), nor is
access from the public network to a private one.
"""

from collections.abc import Collection

from flask import Flask, Response, request

ALLOWED_HEADERS = "Authorization, Content-Type, X-Api-Key, X-Request-Id"
EXPOSED_HEADERS = ("X-Request-Id", "Retry-After", "Retry-After-Ms")
EXPOSED_PREFIX = "X-Inkwell-"
PREFLIGHT_S = 600  # how long a browser may cache the reply


def register(app: Flask, origins: Collection[str]) -> None:
    """Answer preflights and add headers to replies. Call it before auth.register: a preflight has no key."""
    if not origins:
        return

    def preflight() -> Response | None:
        is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not is_preflight or request.headers.get("Origin") not in origins or request.endpoint is None:
            return None
        allowed = app.make_default_options_response().allow
        response = Response(status=204)
        response.headers["Access-Control-Allow-Methods"] = ", ".join(sorted(allowed))
        response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_S)
        return response

    def add_headers(response: Response) -> Response:
        response.vary.add("Origin")  # a cache must not serve one origin's reply to another
        origin = request.headers.get("Origin")
        if origin in origins:
            own = [name for name in response.headers.keys() if name.startswith(EXPOSED_PREFIX)]
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = ", ".join([*EXPOSED_HEADERS, *own])
        return response

    app.before_request(preflight)
    app.after_request(add_headers)
