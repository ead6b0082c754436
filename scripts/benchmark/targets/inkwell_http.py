"""The complete Inkwell service: HTTP, Apache, the web tier and a worker; each request is a stream."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from inkwell.settings.settings import Settings
from scripts.benchmark.dialects import InkwellDialect
from scripts.benchmark.exchange import Record, Request, TargetSpec
from scripts.benchmark.processes import memory_of
from scripts.benchmark.server import Server
from scripts.benchmark.streams import Streams

MAX_REQUESTS = 242  # the maximum of the setting with the default of INKWELL_MAX_CONNECTIONS
TIMEOUT_S = "7200"  # high enough that no request times out, even on a slow machine


class InkwellHttp:
    """A server started for this run, as a backend."""

    def __init__(self, spec: TargetSpec) -> None:
        settings = _settings(spec)
        self._server = Server(settings)
        self._streams = Streams(self._server.url, InkwellDialect())
        self.started_s: float | None = self._server.started_s
        self.pids = self._server.workers
        front = memory_of(self._server.others)
        self.metadata: dict[str, Any] = {"settings": settings, "rss_of_the_front_mib": front.now_mib if front else None}

    def submit(self, key: int, request: Request, sent_s: float) -> None:
        self._streams.submit(key, request, sent_s)

    def poll(self, timeout_s: float | None) -> list[Record]:
        return self._streams.poll(timeout_s)

    def close(self) -> None:
        self._streams.close()
        self._server.close()


def _settings(spec: TargetSpec) -> dict[str, str]:
    """Return the service's settings, including engine options that are also settings."""
    folder = Path(spec.folder)
    unknown = spec.engine.keys() - {item.name for item in fields(Settings)}
    if unknown:
        raise ValueError(f"the service has no setting for these engine options: {', '.join(sorted(unknown))}")
    return {
        "models_dir": str(folder.parent), "default_model": folder.name, "preload": folder.name, "dtype": spec.dtype,
        "max_rows": str(spec.rows), "threads": str(spec.threads), "max_requests": str(MAX_REQUESTS),
        "request_timeout_s": TIMEOUT_S, "load_timeout_s": TIMEOUT_S,
        **spec.engine, **spec.settings,
    }  # fmt: skip


def open_backend(spec: TargetSpec) -> InkwellHttp:
    return InkwellHttp(spec)
