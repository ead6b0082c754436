"""The process of one target: `python -m scripts.benchmark.target_process` reads a `TargetSpec` and prints JSON lines.

Loads the target, generates a first token, and runs each workload: a warm-up, which is the same for all targets, and the
repeats. The JSON lines use a separate file descriptor, so that output of libraries cannot mix with them.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TextIO

from scripts.benchmark.exchange import Backend, Record, Request, Run, TargetSpec, spec_from_json
from scripts.benchmark.figures import invalid_reason
from scripts.benchmark.processes import memory_of
from scripts.benchmark.traffic import closed_loop, send

TARGETS = "scripts.benchmark.targets"
WARM_UP = "a warm-up"


class InvalidRun(Exception):
    """A request failed, or generated another number of tokens than requested."""


class TargetProcess:
    """Runs all workloads against one backend and reports the results as JSON lines."""

    def __init__(self, spec: TargetSpec, backend: Backend, lines: TextIO) -> None:
        self._spec = spec
        self._backend = backend
        self._lines = lines

    def run(self) -> None:
        first = closed_loop(self._backend, [self._spec.first], 1, lambda record: None)
        self._check([self._spec.first], first, "the first request")
        started_s = self._backend.started_s or self._spec.spawned_s
        first_token_s = None if self._spec.target == "url" else first[0].moments_s[0] - started_s  # was running before
        self._emit(kind="started", first_token_s=first_token_s, metadata=self._backend.metadata)
        for run in self._spec.runs:
            self._warm_up(run)
            self._repeat(run)

    def _warm_up(self, run: Run) -> None:
        records = closed_loop(self._backend, run.warm_up, run.clients, lambda record: None)
        self._check(run.warm_up, records, f"{WARM_UP} of {run.name}")

    def _repeat(self, run: Run) -> None:
        begun_s = time.monotonic()
        for number, requests in enumerate(run.repeats):
            if number and time.monotonic() - begun_s > self._spec.time_limit_s:
                break
            self._measure(run, number, requests)

    def _measure(self, run: Run, number: int, requests: Sequence[Request]) -> None:
        cpu_s, wall_s = time.process_time(), time.monotonic()
        records = send(self._backend, run.pattern, requests, run.clients, self._report_progress)
        cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - wall_s
        self._check(requests, records, f"repeat {number + 1} of {run.name}")
        memory = memory_of(self._backend.pids)
        self._emit(
            kind="repeat", workload=run.name, number=number, records=[asdict(record) for record in records],
            memory=asdict(memory) if memory else None, process_cpu_s=cpu_s, wall_s=wall_s,
        )  # fmt: skip

    def _report_progress(self, record: Record) -> None:
        self._emit(kind="progress", tokens=record.tokens)

    def _check(self, requests: Sequence[Request], records: Sequence[Record], what: str) -> None:
        if reason := invalid_reason(requests, records):
            raise InvalidRun(f"{what}: {reason}")

    def _emit(self, **line: Any) -> None:
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()


def main() -> int:
    """Return 0 if every request of every run was answered in full, else 1."""
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    spec = spec_from_json(json.load(sys.stdin))
    backend: Backend | None = None
    try:
        backend = importlib.import_module(f"{TARGETS}.{spec.target}").open_backend(spec)
        TargetProcess(spec, backend, lines).run()
    except InvalidRun as error:
        lines.write(json.dumps({"kind": "failed", "reason": str(error)}) + "\n")
        return 1
    finally:
        lines.flush()
        if backend is not None:
            backend.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
