"""The workloads: prompt and output tokens of each request, and when requests are sent. Plain Python.

W1 is one stream, W2 one long prompt, and W3 many concurrent requests in a closed loop. `poisson` sends W3's requests at
random times, whether or not earlier ones are done; `stall` sends long prompts while streams are running.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Pattern = Literal["closed", "timetable", "stall"]
NAMES = ("w1", "w2", "w3", "poisson", "stall")


@dataclass(frozen=True, slots=True)
class Size:
    """The size of one request; `at_s` is its send time after the start, for patterns with a timetable."""

    prompt_tokens: int
    new_tokens: int
    at_s: float = 0.0
    role: str = ""


@dataclass(frozen=True, slots=True)
class Workload:
    """The requests of one repeat; `clients` is the number of concurrent requests of a closed loop."""

    name: str
    pattern: Pattern
    sizes: tuple[Size, ...]
    clients: int
    warm_up: tuple[Size, ...]

    @property
    def new_tokens(self) -> int:
        return sum(size.new_tokens for size in self.sizes)


@dataclass(frozen=True, slots=True)
class Scale:
    """The parameters of the workloads; `QUICK` has small ones, for a trial or a test."""

    w1: tuple[int, int] = (32, 128)
    w2_prompt: int = 896
    crowd: int = 64
    prompts: tuple[int, int] = (16, 256)
    outputs: tuple[int, int] = (32, 256)
    streams: tuple[int, int, int] = (8, 32, 192)  # number of streams, prompt tokens, new tokens
    intruders: int = 8


FULL = Scale()
QUICK = Scale((8, 24), 96, 12, (4, 24), (8, 24), (3, 8, 48), 3)


def kind_of(workload: str) -> str:
    """Return the kind of a workload: w3 for w3-16."""
    return workload.partition("-")[0]


def crowd_sizes(scale: Scale) -> tuple[Size, ...]:
    """Return W3's requests; prompt and output sizes are drawn in turn from `random.Random(0)`."""
    rng = random.Random(0)
    return tuple(Size(rng.randint(*scale.prompts), rng.randint(*scale.outputs)) for _ in range(scale.crowd))


def poisson_sizes(scale: Scale, rate_per_s: float) -> tuple[Size, ...]:
    """Return W3's requests with exponential inter-arrival times from `random.Random(1)`."""
    rng, now_s, timed = random.Random(1), 0.0, []
    for size in crowd_sizes(scale):
        timed.append(Size(size.prompt_tokens, size.new_tokens, now_s))
        now_s += rng.expovariate(rate_per_s)
    return tuple(timed)


def stall_sizes(scale: Scale) -> tuple[Size, ...]:
    """Return streams, and long prompts with few new tokens, whose send times depend on the duration of the streams."""
    count, prompt, new_tokens = scale.streams
    return (Size(prompt, new_tokens, role="stream"),) * count + (
        Size(scale.w2_prompt, 4, role="intruder"),
    ) * scale.intruders


def workloads(names: Sequence[str], clients: Sequence[int], rate_per_s: float, scale: Scale) -> list[Workload]:
    """Return the named workloads in the order of `NAMES`, with one W3 per number of clients."""
    warm_crowd = (Size(scale.prompts[0], 8),)
    found = []
    for name in (name for name in NAMES if name in names):
        if name == "w1":
            found.append(Workload("w1", "closed", (Size(*scale.w1),), 1, (Size(*scale.w1),)))
        elif name == "w2":
            size = Size(scale.w2_prompt, 1)
            found.append(Workload("w2", "closed", (size,), 1, (size,)))
        elif name == "w3":
            for count in clients:
                label = f"w3-{count}"
                found.append(Workload(label, "closed", crowd_sizes(scale), count, warm_crowd * count))
        elif name == "poisson":
            sizes = poisson_sizes(scale, rate_per_s)
            found.append(Workload("poisson", "timetable", sizes, clients[0], warm_crowd * clients[0]))
        else:
            count = scale.streams[0]
            found.append(Workload("stall", "stall", stall_sizes(scale), count, warm_crowd * count))
    return found
