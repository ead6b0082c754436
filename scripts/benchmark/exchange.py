"""What crosses between the benchmark and the process of a target: requests in, records out. Plain values, no library.

The moments are those of `time.monotonic`, which all processes of a machine share.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt as ids and as the text that encodes to them, and how many greedy tokens are to follow."""

    prompt: tuple[int, ...]
    text: str
    new_tokens: int
    at_s: float = 0.0
    role: str = ""


@dataclass(slots=True)
class Record:
    """What a client saw of one request: when it was sent, and at each moment how many tokens arrived.

    `output` is all that was generated, ids or text, whichever the target gives.
    """

    key: int
    role: str
    sent_s: float
    moments_s: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)  # tokens that arrived at each moment
    output: list[int] | str = ""
    refused: int = 0  # how often the server said that it is full before it took the request
    error: str | None = None

    def add(self, moment_s: float, tokens: int) -> None:
        self.moments_s.append(moment_s)
        self.counts.append(tokens)

    @property
    def tokens(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Run:
    """One workload as a target is to run it: requests that warm it up, and those of each repeat."""

    name: str
    pattern: str
    clients: int
    warm_up: tuple[Request, ...]
    repeats: tuple[tuple[Request, ...], ...]


@dataclass(frozen=True, slots=True)
class Order:
    """All that the process of a target is told."""

    target: str
    dtype: str
    folder: str
    runs: tuple[Run, ...]
    first: Request  # the very first one, whose first token ends the start
    spawned_s: float = 0.0
    time_limit_s: float = 900.0  # of one workload: no further repeat is begun after it
    rows: int = 16
    threads: int = 0
    url: str = ""
    pid: int = 0
    engine: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


class Backend(Protocol):
    """A target as the traffic sees it."""

    started_s: float | None  # when what is measured was started, if later than this process
    pids: tuple[int, ...]  # the processes whose memory counts
    facts: dict[str, Any]

    def submit(self, key: int, request: Request, sent_s: float) -> None:
        """Send a request; its record comes out of a later `poll`."""

    def poll(self, timeout_s: float | None) -> list[Record]:
        """Go on until something happened or the time is over; gives the records that are complete."""

    def close(self) -> None:
        """End whatever was started."""


def order_to_json(order: Order) -> dict[str, Any]:
    return asdict(order)


def order_from_json(data: dict[str, Any]) -> Order:
    runs = [
        Run(**{**run, "warm_up": _requests(run["warm_up"]), "repeats": tuple(_requests(r) for r in run["repeats"])})
        for run in data["runs"]
    ]
    return Order(**{**data, "runs": tuple(runs), "first": _requests([data["first"]])[0]})


def _requests(items: Sequence[dict[str, Any]]) -> tuple[Request, ...]:
    return tuple(Request(**{**item, "prompt": tuple(item["prompt"])}) for item in items)
