"""The one log record of every HTTP request: its client and route, how it ended, and what its generation took.

Written when the reply was sent, which for a stream is long after its view. Holds no text, no key, and of the address
in the request only the route that it matched; the field `address` is the peer's.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, g, request

from inkwell.observability.outcome import RequestOutcome

log = logging.getLogger(__name__)

OTHER = "other"  # the route of addresses that no rule matches
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
PROBES = frozenset({"health", "metrics"})  # blueprints that are polled every few seconds
COUNTS = ("prompt_tokens", "cached_tokens", "generated_tokens")  # of an outcome, unchanged
TIMES = ("queue_s", "first_token_s")


class AccessLogEntry:
    """What is known of one request so far."""

    def __init__(self, request_id: str) -> None:
        self.code: str | None = None  # of the error in the reply
        self.failure: dict[str, Any] | None = None  # of an error of the service: what its operator needs
        self._request_id = request_id
        self._began = time.monotonic()
        self._outcome: RequestOutcome | None = None

    def note(self, outcome: RequestOutcome) -> None:
        """How the request's generation ended."""
        self._outcome = outcome

    def write(self, facts: dict[str, Any], quiet: bool) -> None:
        """Log that the request has ended; a `quiet` one at the level debug unless it ended in an error."""
        level = logging.DEBUG if quiet and self.code is None else logging.INFO
        fields = {"request_id": self._request_id, **facts, "code": self.code}
        fields |= {"duration_s": _rounded(time.monotonic() - self._began)}
        fields |= _generation_fields(self._outcome) if self._outcome else {}
        log.log(logging.ERROR if self.failure else level, "request ended", extra=fields | (self.failure or {}))


def register(app: Flask) -> None:
    """Begin an entry before any view, and write it when the reply was sent; needs the request's id."""

    def begin() -> None:
        g.log_entry = AccessLogEntry(g.request_id)

    def finish(response: Response) -> Response:
        entry, facts, quiet = g.log_entry, _facts(response), request.blueprint in PROBES
        response.direct_passthrough = False  # the end of a file that the server sends by itself goes unnoticed
        response.call_on_close(lambda: entry.write(facts, quiet))
        return response

    app.before_request(begin)
    app.after_request(finish)


def listen() -> Callable[[RequestOutcome], None]:
    """A generation begins in the current request; gives the function that notes its end."""
    entry: AccessLogEntry = g.log_entry
    return entry.note


def method() -> str | None:
    """The current request's method; None if it is not one of HTTP's."""
    return request.method if request.method in METHODS else None


def rule() -> str | None:
    """The rule that the current request's address matches."""
    return request.url_rule.rule if request.url_rule else None


def route() -> str:
    """The same, with a name for addresses that match none."""
    return rule() or OTHER


def _facts(response: Response) -> dict[str, Any]:
    client = g.get("client")
    return {
        "client": client.name if client else None,
        "address": request.remote_addr,
        "method": method(),
        "route": route(),
        "status": response.status_code,
    }


def _generation_fields(outcome: RequestOutcome) -> dict[str, Any]:
    facts = {"model": outcome.model, "outcome": outcome.result}
    facts |= {name: getattr(outcome, name) for name in COUNTS} | {"finish_reasons": list(outcome.finish_reasons)}
    return facts | {name: _rounded(getattr(outcome, name)) for name in TIMES}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
