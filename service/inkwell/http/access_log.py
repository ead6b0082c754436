"""The one log record of every HTTP request: its client, route and status, and the outcome of its generation.

Written when the reply has been sent, which for a stream is long after its view. Holds no text, no key and no URL: only
the route that the URL matched. The field `address` is the address of the peer.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, g, request

from inkwell.observability.outcome import RequestOutcome

log = logging.getLogger(__name__)

OTHER = "other"  # the route of URLs that match no rule
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
PROBES = frozenset({"health", "metrics"})  # blueprints that are polled every few seconds
COUNTS = ("prompt_tokens", "cached_tokens", "generated_tokens")  # of an outcome, unchanged
TIMES = ("queue_s", "first_token_s")


class AccessLogEntry:
    """The data of one request, collected until its reply has been sent."""

    def __init__(self, request_id: str) -> None:
        self.code: str | None = None  # of the error in the reply
        self.failure: dict[str, Any] | None = None  # of a failure of the service: the fields that its operator needs
        self._request_id = request_id
        self._began = time.monotonic()
        self._outcome: RequestOutcome | None = None

    def note(self, outcome: RequestOutcome) -> None:
        """Keep the outcome of the request's generation."""
        self._outcome = outcome

    def write(self, facts: dict[str, Any], quiet: bool) -> None:
        """Log the end of the request, at the level debug if it is `quiet` and ended without an error."""
        level = logging.DEBUG if quiet and self.code is None else logging.INFO
        fields = {"request_id": self._request_id, **facts, "code": self.code}
        fields |= {"duration_s": _rounded(time.monotonic() - self._began)}
        fields |= _generation_fields(self._outcome) if self._outcome else {}
        log.log(logging.ERROR if self.failure else level, "request ended", extra=fields | (self.failure or {}))


def register(app: Flask) -> None:
    """Begin an entry before any view, and write it when the reply has been sent; needs the request's id."""

    def begin() -> None:
        g.log_entry = AccessLogEntry(g.request_id)

    def finish(response: Response) -> Response:
        entry, facts, quiet = g.log_entry, _facts(response), request.blueprint in PROBES
        response.direct_passthrough = False  # the end of a file that the WSGI server sends by itself would go unnoticed
        response.call_on_close(lambda: entry.write(facts, quiet))
        return response

    app.before_request(begin)
    app.after_request(finish)


def listen() -> Callable[[RequestOutcome], None]:
    """Called when a generation begins: the function that takes its outcome, for the current request."""
    entry: AccessLogEntry = g.log_entry
    return entry.note


def method() -> str | None:
    """The method of the current request; None if HTTP has no such method."""
    return request.method if request.method in METHODS else None


def rule() -> str | None:
    """The rule that the URL of the current request matches."""
    return request.url_rule.rule if request.url_rule else None


def route() -> str:
    """The same, with a name for URLs that match none."""
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
