"""The one log record of every HTTP request: who asked, by which route, how it ended, and what its generation took.

Written when the reply was sent, which for a stream is long after its view. Holds no text, no key and
no address that was asked for, but the rule of ours that it fits; the field `address` is the peer's.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, g, request

from inkwell.observability.outcome import Summary

log = logging.getLogger(__name__)

OTHER = "other"  # the route of addresses that no rule of ours fits
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
PROBES = frozenset({"health", "metrics"})  # blueprints that are asked every few seconds
TOLD = ("model", "outcome", "prompt_tokens", "cached_tokens", "generated_tokens")  # of a summary, as they are
TIMES = ("queue_s", "first_token_s")


class Record:
    """What is known of one request; whoever finds something out notes it."""

    def __init__(self, request_id: str) -> None:
        self.code: str | None = None  # of the error that the client was told
        self.failure: dict[str, Any] | None = None  # what the operator needs of an error that is not the client's
        self._request_id = request_id
        self._began = time.monotonic()
        self._summary: Summary | None = None

    def note(self, summary: Summary) -> None:
        """How the request's generation ended."""
        self._summary = summary

    def write(self, facts: dict[str, Any], quiet: bool) -> None:
        """The request has ended; a `quiet` one is told at the level debug unless it ended in an error."""
        level = logging.DEBUG if quiet and self.code is None else logging.INFO
        told = {"request_id": self._request_id, **facts, "code": self.code}
        told |= {"duration_s": _rounded(time.monotonic() - self._began)}
        told |= _told(self._summary) if self._summary else {}
        log.log(logging.ERROR if self.failure else level, "request ended", extra=told | (self.failure or {}))


def register(app: Flask) -> None:
    """Begin a record before any view, and write it when the reply was sent; call it right after the request's id."""

    def begin() -> None:
        g.record = Record(g.request_id)

    def finish(response: Response) -> Response:
        record, facts, quiet = g.record, _facts(response), request.blueprint in PROBES
        response.direct_passthrough = False  # of a file that is passed through, nobody tells when it was sent
        response.call_on_close(lambda: record.write(facts, quiet))
        return response

    app.before_request(begin)
    app.after_request(finish)


def watch() -> Callable[[Summary], None]:
    """A generation begins in the present request; gives what notes its end."""
    record: Record = g.record
    return record.note


def method() -> str | None:
    """The present request's method; None for one of the client's own making."""
    return request.method if request.method in METHODS else None


def rule() -> str | None:
    """The rule of ours that the present request fits."""
    return request.url_rule.rule if request.url_rule else None


def route() -> str:
    """The same where every request must have one."""
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


def _told(summary: Summary) -> dict[str, Any]:
    facts = {name: getattr(summary, name) for name in TOLD} | {"finish_reasons": list(summary.finish_reasons)}
    return facts | {name: _rounded(getattr(summary, name)) for name in TIMES}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
