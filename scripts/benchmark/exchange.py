"""The data exchanged between the benchmark and a target's process: specifications, requests, and records of them.

Plain values. Times are those of `time.monotonic`, which all processes of a machine share.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt as ids and as the text that encodes to them, and the number of greedy tokens to generate."""

    prompt: tuple[int, ...]
    text: str
    new_tokens: int
    at_s: float = 0.0
    role: str = ""


@dataclass(slots=True)
class Record:
    """The client's view of one request: when it was sent, and how many tokens arrived at each moment.

    `output` is everything generated, as ids or as text, depending on the target.
    """

    key: int
    role: str
    sent_s: float
    moments_s: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)  # tokens that arrived at each moment
    output: list[int] | str = ""
    refused: int = 0  # replies with status 429 before the server accepted the request
    error: str | None = None

    def add(self, moment_s: float, tokens: int) -> None:
        self.moments_s.append(moment_s)
        self.counts.append(tokens)

    @property
    def tokens(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Run:
    """The requests of one workload: those of the warm-up, and those of each repeat."""

    name: str
    pattern: str
    clients: int
    warm_up: tuple[Request, ...]
    repeats: tuple[tuple[Request, ...], ...]


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """The input of a target's process: what to load, how, and the runs to measure."""

    target: str
    dtype: str
    folder: str
    runs: tuple[Run, ...]
    first: Request  # its first token marks the end of the startup time
    spawned_s: float = 0.0
    time_limit_s: float = 900.0  # per workload: no further repeat starts after it
    rows: int = 16
    threads: int = 0
    url: str = ""
    pid: int = 0
    engine: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


class Backend(Protocol):
    """The interface of a target."""

    started_s: float | None  # start time of the measured system, if it started after this process
    pids: tuple[int, ...]  # processes whose memory is measured
    metadata: dict[str, Any]

    def submit(self, key: int, request: Request, sent_s: float) -> None:
        """Send a request; a later `poll` returns its record."""

    def poll(self, timeout_s: float | None) -> list[Record]:
        """Continue until there is progress or the timeout expires; return the completed records."""

    def close(self) -> None:
        """Stop everything that was started."""


def spec_to_json(spec: TargetSpec) -> dict[str, Any]:
    return asdict(spec)


def spec_from_json(data: dict[str, Any]) -> TargetSpec:
    runs = [
        Run(**{**run, "warm_up": _requests(run["warm_up"]), "repeats": tuple(_requests(r) for r in run["repeats"])})
        for run in data["runs"]
    ]
    return TargetSpec(**{**data, "runs": tuple(runs), "first": _requests([data["first"]])[0]})


def _requests(items: Sequence[dict[str, Any]]) -> tuple[Request, ...]:
    return tuple(Request(**{**item, "prompt": tuple(item["prompt"])}) for item in items)
