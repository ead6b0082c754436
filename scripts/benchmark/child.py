"""The process of one target: `python -m scripts.benchmark.child`, an `Order` on its input, lines of JSON on its output.

Loads the target, gets its first token, and runs each workload: warmed up in the same way whatever the target is, then
its repeats. Nothing that a library prints gets among the lines: they have a descriptor of their own.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TextIO

from scripts.benchmark.exchange import Backend, Order, Record, Request, Run, order_from_json
from scripts.benchmark.figures import complaint
from scripts.benchmark.processes import memory_of
from scripts.benchmark.traffic import closed_loop, send

TARGETS = "scripts.benchmark.targets"
WARM_UP = "a warm-up"


class Failed(Exception):
    """A run that is no measurement."""


class Child:
    """One target from its first request to its last."""

    def __init__(self, order: Order, backend: Backend, lines: TextIO) -> None:
        self._order = order
        self._backend = backend
        self._lines = lines

    def run(self) -> None:
        first = closed_loop(self._backend, [self._order.first], 1, lambda record: None)
        self._check([self._order.first], first, "the first request")
        started_s = self._backend.started_s or self._order.spawned_s
        first_token_s = None if self._order.target == "url" else first[0].moments_s[0] - started_s  # it ran already
        self._say(kind="started", first_token_s=first_token_s, facts=self._backend.facts)
        for run in self._order.runs:
            self._warm_up(run)
            self._repeat(run)

    def _warm_up(self, run: Run) -> None:
        records = closed_loop(self._backend, run.warm_up, run.clients, lambda record: None)
        self._check(run.warm_up, records, f"{WARM_UP} of {run.name}")

    def _repeat(self, run: Run) -> None:
        begun_s = time.monotonic()
        for number, requests in enumerate(run.repeats):
            if number and time.monotonic() - begun_s > self._order.time_limit_s:
                break
            self._measure(run, number, requests)

    def _measure(self, run: Run, number: int, requests: Sequence[Request]) -> None:
        cpu_s, wall_s = time.process_time(), time.monotonic()
        records = send(self._backend, run.pattern, requests, run.clients, self._tell)
        cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - wall_s
        self._check(requests, records, f"repeat {number + 1} of {run.name}")
        memory = memory_of(self._backend.pids)
        self._say(
            kind="repeat", workload=run.name, number=number, records=[asdict(record) for record in records],
            memory=asdict(memory) if memory else None, process_cpu_s=cpu_s, wall_s=wall_s,
        )  # fmt: skip

    def _tell(self, record: Record) -> None:
        self._say(kind="progress", tokens=record.tokens)

    def _check(self, requests: Sequence[Request], records: Sequence[Record], what: str) -> None:
        if reason := complaint(requests, records):
            raise Failed(f"{what}: {reason}")

    def _say(self, **line: Any) -> None:
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()


def main() -> int:
    """0 when every request of every run was answered in full."""
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    order = order_from_json(json.load(sys.stdin))
    backend: Backend | None = None
    try:
        backend = importlib.import_module(f"{TARGETS}.{order.target}").open_backend(order)
        Child(order, backend, lines).run()
    except Failed as error:
        lines.write(json.dumps({"kind": "failed", "reason": str(error)}) + "\n")
        return 1
    finally:
        lines.flush()
        if backend is not None:
            backend.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
