"""Authentication and authorisation: a key's client, and the scope that the endpoint needs. Denied by default.

A blueprint declares the scope of its endpoints, and `declare` that of an endpoint outside our blueprints; an endpoint
without a scope stops the start. A request is checked by the endpoint that Flask will call, never by the text of its
URL. Sets `g.client` for every request.
"""

import re
from typing import Any

from flask import Blueprint, Flask, current_app, g, request

from inkwell.access.keys import ANONYMOUS, ANYONE, SCOPES, Client, Keys
from inkwell.access.keys import INFER as INFER  # for dialects
from inkwell.errors import Forbidden, Unauthorized

PUBLIC = "public"  # the scope of endpoints that need no key
KNOWN = SCOPES | {PUBLIC}
DECLARED = "inkwell.scopes"  # key in app.extensions: scopes of endpoints outside our blueprints
BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
NEEDED = "a valid key is required, in the header Authorization: Bearer KEY or X-Api-Key: KEY"


class ScopedBlueprint(Blueprint):
    """A blueprint whose endpoints are open to keys with one scope or, if that is PUBLIC, to everybody."""

    def __init__(self, name: str, import_name: str, *, scope: str, **options: Any) -> None:
        super().__init__(name, import_name, **options)
        self.scope = scope


def register(app: Flask, keys: Keys) -> None:
    """Check every request before its view."""

    def check() -> None:
        g.client = _client(keys) if keys.configured else ANYONE
        if request.endpoint is not None:  # without one no view is called: Flask answers 404 or 405
            _check(g.client, scope_of(request.endpoint))

    app.extensions[DECLARED] = {}
    app.before_request(check)


def declare(app: Flask, endpoint: str, scope: str) -> None:
    """Set the scope of an endpoint outside our blueprints, such as one that a library registers."""
    app.extensions[DECLARED][endpoint] = scope


def check_scopes(app: Flask) -> None:
    """Raise LookupError for endpoints without a known scope; call it when all are registered."""
    with app.app_context():
        undeclared = {rule.endpoint for rule in app.url_map.iter_rules() if scope_of(rule.endpoint) not in KNOWN}
    if undeclared:
        raise LookupError(f"no scope is declared for {', '.join(sorted(undeclared))}; see ScopedBlueprint")


def scope_of(endpoint: str) -> str | None:
    """The declared scope of an endpoint of the current application; None, which no key has, if there is none."""
    blueprint = current_app.blueprints.get(endpoint.rpartition(".")[0])
    if isinstance(blueprint, ScopedBlueprint):
        return blueprint.scope
    declared: dict[str, str] = current_app.extensions[DECLARED]
    return declared.get(endpoint)


def _check(client: Client, scope: str | None) -> None:
    """The message is the same for no key, an unknown one and two that differ."""
    if scope is None:
        raise Forbidden("this address is not open to requests")
    if scope == PUBLIC:
        return
    if client is ANONYMOUS:
        raise Unauthorized(NEEDED)
    if scope not in client.scopes:
        raise Forbidden(f"this address requires a key with the scope {scope}")


def _client(keys: Keys) -> Client:
    presented = _presented()
    return (keys.find(presented) if presented else None) or ANONYMOUS


def _presented() -> str | None:
    """The request's key; None if two headers disagree or Authorization holds something else."""
    given = []
    if (authorization := request.headers.get("Authorization")) is not None:
        bearer = BEARER.fullmatch(authorization)
        given.append(bearer[1] if bearer else None)
    if (plain := request.headers.get("X-Api-Key")) is not None:
        given.append(plain)
    return given[0] if len(set(given)) == 1 else None
