"""Inkwell as its users meet it: HTTP, Apache, the web tier, a worker; each request a stream."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from inkwell.settings.settings import Settings
from scripts.benchmark.dialects import InkwellDialect
from scripts.benchmark.exchange import Order, Record, Request
from scripts.benchmark.processes import memory_of
from scripts.benchmark.server import Server
from scripts.benchmark.streams import Streams

MOST_REQUESTS = 88  # the most that the setting takes
PATIENCE_S = "7200"  # no request may meet the service's own time limit, however slow the machine


class InkwellHttp:
    """A server of its own as a backend."""

    def __init__(self, order: Order) -> None:
        settings = _settings(order)
        self._server = Server(settings)
        self._streams = Streams(self._server.url, InkwellDialect())
        self.started_s: float | None = self._server.started_s
        self.pids = self._server.workers
        front = memory_of(self._server.others)
        self.facts: dict[str, Any] = {"settings": settings, "rss_of_the_front_mib": front.now_mib if front else None}

    def submit(self, key: int, request: Request, sent_s: float) -> None:
        self._streams.submit(key, request, sent_s)

    def poll(self, timeout_s: float | None) -> list[Record]:
        return self._streams.poll(timeout_s)

    def close(self) -> None:
        self._streams.close()
        self._server.close()


def _settings(order: Order) -> dict[str, str]:
    """The service's settings; engine options that are settings too are handed on."""
    folder = Path(order.folder)
    unknown = order.engine.keys() - {item.name for item in fields(Settings)}
    if unknown:
        raise ValueError(f"the service has no setting for these engine options: {', '.join(sorted(unknown))}")
    return {
        "models_dir": str(folder.parent), "default_model": folder.name, "preload": folder.name, "dtype": order.dtype,
        "max_rows": str(order.rows), "threads": str(order.threads), "max_requests": str(MOST_REQUESTS),
        "request_timeout_s": PATIENCE_S, "load_timeout_s": PATIENCE_S,
        **order.engine, **order.settings,
    }  # fmt: skip


def open_backend(order: Order) -> InkwellHttp:
    return InkwellHttp(order)
