"""Authentication and authorisation: a key's client, and the scope that the endpoint needs. Denied by default.

A blueprint declares its scope when it is made, an endpoint outside our blueprints by `declare`; an application with
an endpoint that does neither is refused at its start. A request is judged by the endpoint that Flask will call, never
by the text of its address. Sets `g.client` for every request.
"""

import re
from typing import Any

from flask import Blueprint, Flask, current_app, g, request

from inkwell.access.keys import ANONYMOUS, ANYONE, SCOPES, Client, Keys
from inkwell.access.keys import INFER as INFER  # for dialects
from inkwell.errors import Forbidden, Unauthorized

PUBLIC = "public"  # the scope of endpoints that need no key
KNOWN = SCOPES | {PUBLIC}
DECLARED = "inkwell.scopes"  # where the application has those of endpoints outside our blueprints
BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
NEEDED = "a valid key is needed, in the header Authorization: Bearer KEY or X-Api-Key: KEY"


class ScopedBlueprint(Blueprint):
    """A blueprint whose endpoints are open to keys of one scope, or to everybody if that is PUBLIC."""

    def __init__(self, name: str, import_name: str, *, scope: str, **options: Any) -> None:
        super().__init__(name, import_name, **options)
        self.scope = scope


def register(app: Flask, keys: Keys) -> None:
    """Judge every request before its view."""

    def judge() -> None:
        g.client = _client(keys) if keys.configured else ANYONE
        if request.endpoint is not None:  # nothing is called without one: Flask answers 404 or 405
            _check(g.client, scope_of(request.endpoint))

    app.extensions[DECLARED] = {}
    app.before_request(judge)


def declare(app: Flask, endpoint: str, scope: str) -> None:
    """The scope of one endpoint that is in none of our blueprints, such as those that a library registers."""
    app.extensions[DECLARED][endpoint] = scope


def check_scopes(app: Flask) -> None:
    """Raise LookupError for endpoints without a scope that exists; call it when all are registered."""
    with app.app_context():
        closed = {rule.endpoint for rule in app.url_map.iter_rules() if scope_of(rule.endpoint) not in KNOWN}
    if closed:
        raise LookupError(f"no scope is declared for {', '.join(sorted(closed))}; see ScopedBlueprint")


def scope_of(endpoint: str) -> str | None:
    """The scope that opens an endpoint of the current application; None, which no key has, if none is declared."""
    blueprint = current_app.blueprints.get(endpoint.rpartition(".")[0])
    if isinstance(blueprint, ScopedBlueprint):
        return blueprint.scope
    declared: dict[str, str] = current_app.extensions[DECLARED]
    return declared.get(endpoint)


def _check(client: Client, scope: str | None) -> None:
    """One message for no key, a wrong one and two that differ."""
    if scope is None:
        raise Forbidden("this address is not open to requests")
    if scope == PUBLIC:
        return
    if client is ANONYMOUS:
        raise Unauthorized(NEEDED)
    if scope not in client.scopes:
        raise Forbidden(f"this address needs a key with the scope {scope}")


def _client(keys: Keys) -> Client:
    presented = _presented()
    return (keys.find(presented) if presented else None) or ANONYMOUS


def _presented() -> str | None:
    """The request's key; None where two headers disagree or Authorization holds something else."""
    given = []
    if (authorization := request.headers.get("Authorization")) is not None:
        bearer = BEARER.fullmatch(authorization)
        given.append(bearer[1] if bearer else None)
    if (plain := request.headers.get("X-Api-Key")) is not None:
        given.append(plain)
    return given[0] if len(set(given)) == 1 else None
