"""Who asks, and may they: a key's client and its scopes against one table of endpoints. Denied by default.

Judged by the endpoint that Flask will call, never by the text of the address. Sets `g.client` for every request.
"""

import re

from flask import Flask, g, request

from inkwell.access.keys import ANYONE, INFER, METRICS, NOBODY, Client, Keys
from inkwell.errors import Forbidden, Unauthorized

PUBLIC = "public"
# An endpoint is named `blueprint.function`; one that stands in neither table is closed to everybody.
ENDPOINTS = {
    "root": PUBLIC,
    "flasgger.apispec_1": PUBLIC,
}
BLUEPRINTS = {
    "chat": INFER,
    "docs": PUBLIC,
    "generate": INFER,
    "health": PUBLIC,
    "metrics": METRICS,
    "models": INFER,
    "next": INFER,
    "openai": INFER,
    "requests": INFER,
    "score": INFER,
    "tgi": INFER,
    "tokens": INFER,
}
BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
NEEDED = "a valid key is needed, in the header Authorization: Bearer KEY or X-Api-Key: KEY"


def register(app: Flask, keys: Keys) -> None:
    """Judge every request before its view."""

    def judge() -> None:
        g.client = _client(keys) if keys.configured else ANYONE
        if request.endpoint is not None:  # nothing is called without one: Flask answers 404 or 405
            _check(g.client, scope_of(request.endpoint))

    app.before_request(judge)


def scope_of(endpoint: str) -> str | None:
    """The scope that opens an endpoint, PUBLIC where none is needed, None where none suffices."""
    return ENDPOINTS.get(endpoint) or BLUEPRINTS.get(endpoint.rpartition(".")[0])


def _check(client: Client, scope: str | None) -> None:
    """One message for no key, a wrong one and two that differ."""
    if scope is None:
        raise Forbidden("this address is not open to requests")
    if scope == PUBLIC:
        return
    if client is NOBODY:
        raise Unauthorized(NEEDED)
    if scope not in client.scopes:
        raise Forbidden(f"this address needs a key with the scope {scope}")


def _client(keys: Keys) -> Client:
    presented = _presented()
    return (keys.find(presented) if presented else None) or NOBODY


def _presented() -> str | None:
    """The key of the request; none where two headers disagree or Authorization holds something else."""
    given = []
    if (authorization := request.headers.get("Authorization")) is not None:
        bearer = BEARER.fullmatch(authorization)
        given.append(bearer[1] if bearer else None)
    if (plain := request.headers.get("X-Api-Key")) is not None:
        given.append(plain)
    return given[0] if len(set(given)) == 1 else None
