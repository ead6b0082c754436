"""Measures a service curve in process: engine steps that differ in rows and prompt tokens, timed from outside.

W3 runs on the same engine afterwards and is stored in the curve, for validating simulations. Drafts are off, because
their benefit depends on the texts, and random prompts are not representative.
"""

import os
import random
import shutil
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from inkwell.engine.contract import EngineConfig, Job, TokenEvent
from inkwell.parameters.sampling import GREEDY
from scripts.benchmark.figures import percentile
from scripts.benchmark.machine import describe_machine, versions
from scripts.benchmark.workloads import FULL, Scale, crowd_sizes
from scripts.scaling.curve import Check, Curve, Observation, fitted

if TYPE_CHECKING:
    from inkwell.engine.engine import Engine

CONTEXT_TOKENS = 210  # context length of each decoding row: the mean of W3
ENDLESS_TOKENS = 600  # more than any measurement waits for
CLIENTS = 16


def measure_curve(folder: Path, dtype: str, rows: int, threads: int, scale: Scale = FULL) -> Curve:
    """Load the checkpoint, time its steps, fit them, and run W3 if the scale has requests for it."""
    for file in folder.glob("*.safetensors"):  # reads the files into the page cache, so that disk time is not measured
        shutil.copyfile(file, os.devnull)
    begun_s = time.monotonic()
    from inkwell.engine.loading import load_model, usable_threads  # a worker's start imports torch too

    threads = threads or usable_threads()
    loaded = load_model(folder, EngineConfig(dtype=dtype, max_rows=rows, threads=threads, speculation="off"))
    load_s = time.monotonic() - begun_s
    probe = Probe(loaded.engine, loaded.rows)
    times, machine = fitted(probe.observations()), describe_machine(threads, ())
    return Curve(
        folder.name, loaded.dtype, f"{machine['processor']}, {' '.join(machine['flags'])}", threads, loaded.rows,
        time.strftime("%Y-%m-%d"), versions()["inkwell"], *times, load_s, loaded.precision.native,
        probe.check(scale) if scale.crowd else None,
    )  # fmt: skip


class Probe:
    """Runs engine steps with known contents. Prompts are random, so that no prefix is reused."""

    def __init__(self, engine: "Engine", rows: int) -> None:
        self._engine, self._rows = engine, rows
        self._random, self._key = random.Random(0), 0

    def observations(self) -> list[Observation]:
        """Measure steps of decoding rows, of prompts, and of a prompt among decoding rows."""
        kinds = [(rows, 0, 16) for rows in sorted({1, 2, 4, 8, 12, self._rows}) if rows <= self._rows]
        kinds += [(0, length, 4) for length in (16, 64, 256)]
        kinds += [(rows, 192, 1) for rows in sorted({1, self._rows // 2, self._rows - 1} - {0})]
        return [self._observe(*kind) for kind in kinds]

    def check(self, scale: Scale) -> Check:
        """Run W3 as a closed loop of CLIENTS clients."""
        coming, sent_s, latencies_s = deque(crowd_sizes(scale)), dict[int, float](), list[float]()
        begun_s = time.perf_counter()
        while coming or sent_s:
            while coming and len(sent_s) < CLIENTS:
                size = coming.popleft()
                sent_s[self._submit(size.prompt_tokens, size.new_tokens)] = time.perf_counter()
            for event in self._engine.step():
                if isinstance(event, TokenEvent) and event.finish:
                    latencies_s.append(time.perf_counter() - sent_s.pop(event.key))
        tokens_per_s = sum(size.new_tokens for size in crowd_sizes(scale)) / (time.perf_counter() - begun_s)
        return Check(CLIENTS, tokens_per_s, percentile(latencies_s, 50), percentile(latencies_s, 95), scale.crowd)

    def _observe(self, rows: int, prompt_tokens: int, times: int) -> Observation:
        """Time prompts one after the other among decoding rows, or the same number of steps without prompts."""
        for _ in range(rows):
            self._submit(CONTEXT_TOKENS, ENDLESS_TOKENS)
        self._run(rows)
        begun_s, steps = time.perf_counter(), 0
        for _ in range(times):
            if prompt_tokens:
                self._submit(prompt_tokens, 1)
            steps += self._run(rows + (prompt_tokens > 0))
        seconds = time.perf_counter() - begun_s
        for key in range(1, self._key + 1):
            self._engine.cancel(key)
        return steps, steps * rows, prompt_tokens * times, seconds

    def _run(self, tokens: int) -> int:
        """Step until one step returns this many tokens; returns the number of steps."""
        steps = given = 0
        while given < tokens:
            given = sum(isinstance(event, TokenEvent) and event.token is not None for event in self._engine.step())
            steps += 1
        return steps

    def _submit(self, length: int, new_tokens: int) -> int:
        self._key += 1
        prompt = tuple(self._random.randrange(250) for _ in range(length))
        self._engine.submit(Job(self._key, prompt, new_tokens, GREEDY))
        return self._key
