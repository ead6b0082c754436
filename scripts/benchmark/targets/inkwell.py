"""Inkwell's engine in process, through `load_model`, `submit` and `step` only."""

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inkwell.engine.contract import EngineConfig, FailureEvent, Job, TokenEvent
from inkwell.engine.loading import load_model
from inkwell.parameters.sampling import GREEDY
from scripts.benchmark.exchange import Record, Request, TargetSpec


class InkwellEngine:
    """The engine as a backend; each poll is one step."""

    def __init__(self, spec: TargetSpec) -> None:
        config = engine_config(spec)
        loaded = load_model(Path(spec.folder), config)
        self._engine = loaded.engine
        self._pending: dict[int, tuple[Record, list[int]]] = {}
        self.started_s: float | None = None
        self.pids: tuple[int, ...] = (os.getpid(),)
        self.metadata: dict[str, Any] = {"path": loaded.path, "rows": loaded.rows, "engine": str(config)}

    def submit(self, key: int, request: Request, sent_s: float) -> None:
        self._pending[key] = (Record(key, request.role, sent_s), [])
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
            record, output = self._pending[event.key]
            assert isinstance(event, TokenEvent | FailureEvent), "no other events were requested"
            if isinstance(event, FailureEvent):
                record.error = f"{event.code}: {event.message} ({event.cause})"
            elif event.token is not None:
                output.append(event.token)
                arrived[event.key] = arrived.get(event.key, 0) + 1
            if isinstance(event, FailureEvent) or event.finish:
                record.output = output
                finished.append(record)
        for key, count in arrived.items():
            self._pending[key][0].add(now_s, count)
        for record in finished:
            del self._pending[record.key]
        return finished

    def close(self) -> None:
        """Nothing was started."""


def engine_config(spec: TargetSpec) -> EngineConfig:
    """Return the engine's configuration; unknown names in `spec.engine` raise KeyError."""
    defaults: dict[str, Any] = asdict(EngineConfig())
    given = {name: type(defaults[name])(value) for name, value in spec.engine.items()}
    return EngineConfig(**{"dtype": spec.dtype, "threads": spec.threads, "max_rows": spec.rows, **given})


def open_backend(spec: TargetSpec) -> InkwellEngine:
    return InkwellEngine(spec)
