"""Requests over time: Poisson arrivals under a rate that may change, or a file of arrivals. Deterministic by seed.

A rate that changes is thinned (Lewis and Shedler, 1979): arrivals are drawn at the highest rate, and each stays with
the share that the rate has of it at that moment. Lengths are W3's of the benchmark unless a trace brings its own.
"""

import csv
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts.benchmark.workloads import FULL

COLUMNS = ("arrival_s", "prompt_tokens", "new_tokens")
DAY_S = 86_400.0
Rate = Callable[[float], float]  # requests a second at a moment


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of prompts and texts, each evenly between two bounds."""

    prompts: tuple[int, int] = FULL.prompts
    outputs: tuple[int, int] = FULL.outputs

    @property
    def mean_output(self) -> float:
        return sum(self.outputs) / 2


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request of a trace."""

    at_s: float
    prompt_tokens: int
    new_tokens: int


def steady(rate_per_s: float) -> Rate:
    return lambda now_s: rate_per_s


def burst(rate_per_s: float, factor: float, begin_s: float, end_s: float) -> Rate:
    """The rate, and `factor` times as much between two moments."""
    return lambda now_s: rate_per_s * (factor if begin_s <= now_s < end_s else 1.0)


def diurnal(mean_per_s: float, swing: float, day_s: float = DAY_S) -> Rate:
    """A sine over a day that begins at its lowest; `swing` 1 falls to nothing at night."""
    return lambda now_s: mean_per_s * (1 - swing * math.cos(2 * math.pi * now_s / day_s))


def sessions(rate_per_s: float, spans_s: tuple[tuple[float, float], ...]) -> Rate:
    """The rate within the spans, nothing outside."""
    return lambda now_s: rate_per_s * any(begin <= now_s < end for begin, end in spans_s)


def arrivals(rate: Rate, highest_per_s: float, end_s: float, lengths: Lengths, seed: int) -> Iterator[Arrival]:
    """Poisson arrivals until `end_s`; `rate` never exceeds `highest_per_s`."""
    rng = np.random.default_rng(seed)
    now_s = 0.0
    while True:
        pauses_s = rng.exponential(1 / highest_per_s, 4096)
        keeps = rng.random(4096)
        prompts = rng.integers(*lengths.prompts, 4096, endpoint=True)
        outputs = rng.integers(*lengths.outputs, 4096, endpoint=True)
        for pause_s, keep, prompt, output in zip(pauses_s, keeps, prompts, outputs, strict=True):
            now_s += float(pause_s)
            if now_s >= end_s:
                return
            if keep * highest_per_s < rate(now_s):
                yield Arrival(now_s, int(prompt), int(output))


def read_trace(file: Path) -> list[Arrival]:
    """A CSV with the columns arrival_s, prompt_tokens, new_tokens. Raises ValueError with the line that is wrong."""
    with file.open(newline="") as stream:
        rows = csv.DictReader(stream)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{file.name} must begin with the line {','.join(COLUMNS)}")
        return sorted((_arrival(row, rows.line_num) for row in rows), key=lambda arrival: arrival.at_s)


def _arrival(row: dict[str, str], line: int) -> Arrival:
    try:
        arrival = Arrival(float(row["arrival_s"]), int(row["prompt_tokens"]), int(row["new_tokens"]))
    except (TypeError, ValueError):
        raise ValueError(f"line {line} must be a number of seconds and two of tokens") from None
    if not (0 <= arrival.at_s < math.inf and arrival.prompt_tokens >= 1 and arrival.new_tokens >= 1):
        raise ValueError(f"line {line}: times begin at 0, and prompts and texts have a token at least")
    return arrival
