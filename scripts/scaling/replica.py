"""One pod: admission, one line, steps of a batch, exactly as the engine plans them, on the clock of a service curve.

The rules are those of engine/scheduler.py for prompts that share no beginning: first come, first served; a
slot a request; every running row gets a token a step; pieces of prompts under a bound. Steps in which nothing changes
are taken together, which is what makes an hour of a fleet a matter of seconds. Promises and speed are kept by the
service's own `ThroughputEstimator`. A test holds this model against the real scheduler, step by step.
"""

import heapq
import math
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from inkwell.access.throughput import GAP_S, ThroughputEstimator
from inkwell.engine.contract import EngineConfig
from inkwell.engine.scheduler import CROWDED, LEAST_PIECE, STRETCH
from inkwell.settings.settings import Settings
from scripts.scaling.curve import Curve

SETTINGS = Settings.from_environ({})  # the defaults


@dataclass(slots=True)
class Ticket:
    """One request on its way. Times are None until they come."""

    arrived_s: float  # when its client sent it first
    prompt_tokens: int
    new_tokens: int
    started_s: float | None = None  # when it got a slot
    first_s: float | None = None
    ended_s: float | None = None
    refusals: int = 0
    unserved: int = 0  # attempts that found no pod at all
    promise: ExitStack = field(default_factory=ExitStack)  # to the throughput estimator; closed at its end


@dataclass(frozen=True, slots=True)
class Limits:
    """What a pod takes: the service's settings of the same meaning."""

    rows: int = SETTINGS.max_rows  # or as many as the curve's engine had, if those are fewer
    requests: int = SETTINGS.max_requests
    prefill_chunk: int = EngineConfig().prefill_chunk


class Replica:
    """The requests of one pod and the steps that are under way."""

    def __init__(self, curve: Curve, limits: Limits) -> None:
        self._curve = curve
        self._limits = replace(limits, rows=min(limits.rows, curve.rows))
        self._now_s = 0.0
        self._throughput = ThroughputEstimator(lambda: self._now_s)
        self._waiting: deque[Ticket] = deque()
        self._prompts: list[tuple[Ticket, list[int]]] = []  # with the tokens that are left to compute
        self._decoding: list[tuple[int, int, Ticket]] = []  # a heap by the step that gives the last token
        self._serial = 0
        self._steps = 0  # steps in which rows decoded, so far
        self._running = 0
        self._pieces: list[int] = []  # of the present step
        self._batch: tuple[float, float, int] | None = None  # start, seconds a step, steps
        self._busy_s = 0.0

    @property
    def open(self) -> int:
        """Requests that run or wait."""
        return self._running + len(self._waiting)

    @property
    def running(self) -> int:
        return self._running

    @property
    def ends_s(self) -> float | None:
        """When the steps under way are done; None for an idle pod."""
        return None if self._batch is None else self._batch[0] + self._batch[1] * self._batch[2]

    def busy_s(self, now_s: float) -> float:
        """Seconds of computing since the start."""
        return self._busy_s + (now_s - self._batch[0] if self._batch else 0.0)

    def queue_s(self, now_s: float) -> float:
        """What the gauge of the estimated wait says."""
        self._now_s = now_s
        return self._throughput.queue_s(len(self._waiting))

    def retry_after_s(self, now_s: float) -> float:
        """What a refusal tells the client, before chance is added."""
        self._now_s = now_s
        return self._throughput.wait_s()

    def take(self, ticket: Ticket, now_s: float) -> bool:
        """Admit a request, or refuse it. Whoever calls looks at `ends_s` again."""
        if self.open >= self._limits.requests:
            return False
        self._now_s = now_s
        ticket.promise.enter_context(self._throughput.promise(ticket.new_tokens))
        self._waiting.append(ticket)
        if self._batch is None:
            self._begin(now_s)
        elif self._running < self._limits.rows:
            self._cut(now_s)
        return True

    def advance(self) -> list[Ticket]:
        """The steps under way are done, which is now; gives the requests that have ended and begins the next steps."""
        assert self._batch is not None
        begin_s, step_s, count = self._batch
        now_s = begin_s + step_s * count
        self._busy_s += now_s - begin_s
        tokens = len(self._decoding) * count
        self._steps += count
        ended = self._finished(now_s)
        first = self._read_prompts(now_s)
        self._now_s = now_s
        self._throughput.note(tokens + len(first))
        for ticket in (*ended, *(ticket for ticket in first if ticket.ended_s is not None)):
            ticket.promise.close()
        self._batch = None
        if self._running or self._waiting:
            self._begin(now_s)
        return [*ended, *(ticket for ticket in first if ticket.ended_s is not None)]

    def _finished(self, now_s: float) -> list[Ticket]:
        """Take out those whose last token came."""
        ended = []
        while self._decoding and self._decoding[0][0] <= self._steps:
            ticket = heapq.heappop(self._decoding)[2]
            ticket.ended_s = now_s
            ended.append(ticket)
        self._running -= len(ended)
        return ended

    def _read_prompts(self, now_s: float) -> list[Ticket]:
        """Account for the pieces of this step; gives those that got their first token."""
        first = []
        for (ticket, left), piece in zip(self._prompts, self._pieces, strict=False):
            left[0] -= piece
            if left[0] == 0:
                ticket.first_s = now_s
                first.append(ticket)
                self._decode(ticket, now_s)
        if first:
            self._prompts = [item for item in self._prompts if item[1][0]]
        return first

    def _decode(self, ticket: Ticket, now_s: float) -> None:
        if ticket.new_tokens == 1:
            ticket.ended_s = now_s
            self._running -= 1
            return
        self._serial += 1
        heapq.heappush(self._decoding, (self._steps + ticket.new_tokens - 1, self._serial, ticket))

    def _begin(self, now_s: float) -> None:
        """Admit who fits, and plan as many steps as will be alike."""
        while self._waiting and self._running < self._limits.rows:
            ticket = self._waiting.popleft()
            ticket.started_s = now_s
            self._prompts.append((ticket, [ticket.prompt_tokens]))
            self._running += 1
        decoding = len(self._decoding)
        self._pieces = self._cut_prompts(decoding) if self._prompts else []
        step_s = self._curve.step_s(decoding, sum(self._pieces))
        count = 1
        if not self._prompts:  # a longer silence than GAP_S would look idle to the throughput
            count = max(1, min(self._decoding[0][0] - self._steps, int(GAP_S / step_s)))
        self._batch = (now_s, step_s, count)

    def _cut_prompts(self, decoding: int) -> list[int]:
        """Tokens of each prompt in this step, in the order of admission."""
        room, pieces = self._room(decoding), []
        for _, left in self._prompts:
            pieces.append(min(left[0], room))
            room -= pieces[-1]
            if room <= 0 or not self._curve.uniform:
                break
        return pieces

    def _room(self, decoding: int) -> int:
        """The scheduler's budget; the engine learns the curve that is known here."""
        curve, chunk = self._curve, self._limits.prefill_chunk
        if not (decoding and curve.uniform):
            return chunk
        seconds = max(STRETCH * curve.step_s(decoding), CROWDED * curve.step_s(self._running))
        spare_s = max(0.0, seconds - curve.step_s(decoding))
        return min(max(LEAST_PIECE, int(spare_s / curve.prompt_token_s)), chunk) if curve.prompt_token_s else chunk

    def _cut(self, now_s: float) -> None:
        """Somebody came and a slot is free: of the steps that were planned together, those to come are planned anew."""
        assert self._batch is not None
        begin_s, step_s, count = self._batch
        self._batch = (begin_s, step_s, min(count, max(1, math.ceil((now_s - begin_s) / step_s))))
