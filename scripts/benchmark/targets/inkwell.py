"""Inkwell's engine in process: `load_model`, `submit`, `step`, and nothing else of it."""

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inkwell.engine.contract import EngineConfig, FailureEvent, Job, TokenEvent
from inkwell.engine.loading import load_model
from inkwell.parameters.sampling import GREEDY
from scripts.benchmark.exchange import Order, Record, Request


class InkwellEngine:
    """The engine as a backend: every poll is one step."""

    def __init__(self, order: Order) -> None:
        config = engine_config(order)
        loaded = load_model(Path(order.folder), config)
        self._engine = loaded.engine
        self._open: dict[int, tuple[Record, list[int]]] = {}
        self.started_s: float | None = None
        self.pids = (os.getpid(),)
        self.facts: dict[str, Any] = {"path": loaded.path, "rows": loaded.rows, "engine": str(config)}

    def submit(self, key: int, request: Request, sent_s: float) -> None:
        self._open[key] = (Record(key, request.role, sent_s), [])
        self._engine.submit(Job(key, request.prompt, request.new_tokens, GREEDY))

    def poll(self, timeout_s: float | None) -> list[Record]:
        if not self._engine.has_work:
            time.sleep(timeout_s or 0)
            return []
        events = self._engine.step()
        now_s = time.monotonic()
        arrived: dict[int, int] = {}
        finished = []
        for event in events:
            record, output = self._open[event.key]
            assert isinstance(event, TokenEvent | FailureEvent), "nothing else was asked for"
            if isinstance(event, FailureEvent):
                record.error = f"{event.code}: {event.message} ({event.cause})"
            elif event.token is not None:
                output.append(event.token)
                arrived[event.key] = arrived.get(event.key, 0) + 1
            if isinstance(event, FailureEvent) or event.finish:
                record.output = output
                finished.append(record)
        for key, count in arrived.items():
            self._open[key][0].add(now_s, count)
        for record in finished:
            del self._open[record.key]
        return finished

    def close(self) -> None:
        """Nothing was started."""


def engine_config(order: Order) -> EngineConfig:
    """The engine's configuration; names in `order.engine` that it does not have raise KeyError."""
    defaults: dict[str, Any] = asdict(EngineConfig())
    given = {name: type(defaults[name])(value) for name, value in order.engine.items()}
    return EngineConfig(**{"dtype": order.dtype, "threads": order.threads, "max_rows": order.rows, **given})


def open_backend(order: Order) -> InkwellEngine:
    return InkwellEngine(order)
