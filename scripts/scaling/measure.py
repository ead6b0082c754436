"""Measures a service curve in process: the engine itself, steps that differ in rows and prompts, timed from outside.

Takes a checkpoint folder, gives a `Curve`. W3 of the benchmark is run behind it, so that the curve brings along what it
has to explain. Speculation is off: what drafts gain depends on texts, and random weights flatter them.
"""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from inkwell.engine.contract import EngineConfig, Job, TokenEvent
from inkwell.engine.engine import Engine
from inkwell.engine.loading import load_model, usable_threads
from inkwell.parameters.sampling import GREEDY
from scripts.benchmark.exchange import Order
from scripts.benchmark.figures import figures_of
from scripts.benchmark.machine import describe_machine, versions
from scripts.benchmark.prompts import Prompts
from scripts.benchmark.targets.inkwell import InkwellEngine
from scripts.benchmark.traffic import closed_loop
from scripts.benchmark.workloads import FULL, Scale, crowd_sizes
from scripts.scaling.curve import Check, Curve, Observation, fitted

PROMPT = 210  # tokens before the decoding that is timed: what a text of W3 has behind it on average
DECODED_STEPS = 16
NEVER_ENDING = 600  # tokens
IDLE_PROMPTS = (16, 64, 256)
IDLE_REPEATS = 4
MIXED_PROMPT = 192
CLIENTS = 16
CHUNK_BYTES = 16 << 20


def measure_curve(folder: Path, dtype: str, rows: int, threads: int, scale: Scale = FULL) -> Curve:
    """Load the checkpoint, time its steps, fit them, and run W3 if the scale has requests for it."""
    threads = threads or usable_threads()
    config = EngineConfig(dtype=dtype, max_rows=rows, threads=threads, speculation="off")
    _read_through(folder)
    begun_s = time.monotonic()
    loaded = load_model(folder, config)
    load_s = time.monotonic() - begun_s + _import_s()
    fixed_s, row_s, prompt_token_s, error = fitted(list(Probe(loaded.engine, loaded.rows).observations()))
    resolved, uniform, held = loaded.dtype, loaded.precision.native, loaded.rows
    del loaded  # W3's engine needs the memory
    machine = describe_machine(threads, ())
    return Curve(
        folder.name, resolved, f"{machine['processor']}, {' '.join(machine['flags'])}",
        threads, held, time.strftime("%Y-%m-%d"), versions()["inkwell"], fixed_s, row_s,
        prompt_token_s, error, load_s, uniform, _elsewhere(folder, config, scale) if scale.crowd else None,
    )  # fmt: skip


class Probe:
    """Drives an engine through steps of known contents. Prompts are random ids, so that none is reused."""

    def __init__(self, engine: Engine, rows: int) -> None:
        self._engine = engine
        self._rows = rows
        self._random = random.Random(0)
        self._key = 0

    def observations(self) -> Iterator[Observation]:
        """Decoding alone, prompts alone, and a prompt that arrives among rows that decode."""
        for rows in sorted({1, 2, 4, 8, 12, self._rows}):
            if rows <= self._rows:
                yield self._decoding(rows)
        for length in IDLE_PROMPTS:
            yield self._prompts(length)
        for rows in {1, self._rows // 2, self._rows - 1} - {0}:
            yield self._mixed(rows)

    def _decoding(self, rows: int) -> Observation:
        """The sum of some steps: slow ones among them are part of what a step takes."""
        self._crowd(rows)
        found = [self._until_tokens(rows) for _ in range(DECODED_STEPS)]
        self._drain()
        steps = sum(count for count, _ in found)
        return Observation(steps, steps * rows, 0, sum(seconds for _, seconds in found))

    def _prompts(self, length: int) -> Observation:
        """Prompts one after the other, nobody else."""
        found = []
        for _ in range(IDLE_REPEATS):
            self._submit(length, 1)
            found.append(self._until_tokens(1))
        steps = sum(count for count, _ in found)
        return Observation(steps, 0, length * IDLE_REPEATS, sum(seconds for _, seconds in found))

    def _mixed(self, rows: int) -> Observation:
        """The engine cuts the prompt as it likes; the sums are known all the same."""
        self._crowd(rows)
        self._submit(MIXED_PROMPT, 1)
        steps, seconds = self._until_tokens(rows + 1)
        self._drain()
        return Observation(steps, steps * rows, MIXED_PROMPT, seconds)

    def _crowd(self, rows: int) -> None:
        """Rows that all decode, and have more to go than anybody waits for."""
        for _ in range(rows):
            self._submit(PROMPT, NEVER_ENDING)
        self._until_tokens(rows)

    def _until_tokens(self, count: int) -> tuple[int, float]:
        """Step until one step gives so many tokens; how many steps it took, and seconds."""
        begun_s, steps = time.perf_counter(), 0
        while self._engine.has_work:
            steps += 1
            if sum(isinstance(event, TokenEvent) for event in self._engine.step()) >= count:
                return steps, time.perf_counter() - begun_s
        raise RuntimeError(f"no step of the engine gave {count} tokens")

    def _submit(self, length: int, new_tokens: int) -> None:
        self._key += 1
        prompt = tuple(self._random.randrange(250) for _ in range(length))
        self._engine.submit(Job(self._key, prompt, new_tokens, GREEDY))

    def _drain(self) -> None:
        for key in range(1, self._key + 1):
            self._engine.cancel(key)


def _elsewhere(folder: Path, config: EngineConfig, scale: Scale) -> Check:
    """In a fresh process: a load leaves torch with the few threads that its own engine needs, not those of the next."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_check, folder, config, scale).result()


def _check(folder: Path, config: EngineConfig, scale: Scale) -> Check:
    """W3 with 16 clients, as the benchmark's target runs it."""
    prompts = Prompts(folder)
    first = prompts.requests("first", crowd_sizes(scale)[:1])[0]
    order = Order(
        "inkwell", config.dtype, str(folder), (), first, rows=config.max_rows, threads=config.threads,
        engine={"speculation": config.speculation},
    )  # fmt: skip
    backend = InkwellEngine(order)
    closed_loop(backend, [first], 1, lambda record: None)
    requests = prompts.requests("curve", crowd_sizes(scale))
    figures = figures_of("closed", requests, closed_loop(backend, requests, CLIENTS, lambda record: None))
    found = (figures[name] for name in ("output_tokens_per_s", "latency_p50_s", "latency_p95_s"))
    return Check(CLIENTS, *found, scale.crowd)


def _read_through(folder: Path) -> None:
    """Into the page cache, lest the time of a load be that of this disk."""
    for file in folder.glob("*.safetensors"):
        with file.open("rb") as weights:
            while weights.read(CHUNK_BYTES):
                pass


def _import_s() -> float:
    """What a worker takes before it can load anything: an interpreter that imports the engine."""
    begun_s = time.monotonic()
    subprocess.run([sys.executable, "-c", "import inkwell.engine.loading"], check=True)
    return time.monotonic() - begun_s
