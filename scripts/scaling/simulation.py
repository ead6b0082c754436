"""Requests against pods against an autoscaler: one heap of events, no clock but its own, the same for the same seed."""

import heapq
import itertools
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass

from inkwell.access.admission import SPREAD
from scripts.scaling.curve import Curve
from scripts.scaling.fleet import SCRAPE_S, Balance, Fleet, Pod
from scripts.scaling.hpa import SYNC_S
from scripts.scaling.outcome import Outcome
from scripts.scaling.replica import Limits, Ticket
from scripts.scaling.scalers import Scaler
from scripts.scaling.trace import Arrival

STEP, SEND, SCRAPE, LOOK, SYNC, POLL = range(6)  # kinds of events; of two at one moment the lower comes first


@dataclass(frozen=True, slots=True)
class Setup:
    """All that a run depends on, beside its arrivals and its autoscaler."""

    curve: Curve
    pods: int
    limits: Limits = Limits()
    balance: Balance = "random"
    start_s: float = 30.0  # from a pod's creation to its first request
    pre_stop_s: float = 10.0
    patience_s: float = 0.0  # how long a client that was refused sends again; 0 is never
    absent_s: float = 5.0  # its pause where there is no pod at all, and nobody says Retry-After
    seed: int = 0


class Simulation:
    """One run. Make a new one for the next."""

    def __init__(self, setup: Setup, scaler: Scaler | None = None) -> None:
        self._setup = setup
        self._scaler = scaler
        self._random = random.Random(setup.seed)
        self._fleet = Fleet(
            setup.curve, setup.limits, setup.start_s, setup.pre_stop_s, setup.balance, self._random.getrandbits(32)
        )
        self._events: list[tuple[float, int, int, object]] = []
        self._order = itertools.count()
        self._outcome = Outcome()

    def run(self, arrivals: Iterable[Arrival], end_s: float) -> Outcome:
        """Play the arrivals until `end_s` at least, and on until every request has ended; times count until `end_s`."""
        for pod in self._fleet.resize(self._setup.pods, 0.0, start_s=0.0):
            self._watch(pod, 0.0)
        if self._scaler:
            for kind, every_s in ((LOOK, SCRAPE_S), (SYNC, SYNC_S), (POLL, self._scaler.polling_s)):
                if every_s:
                    self._push(self._random.random() * every_s, kind, every_s)
        coming = iter(arrivals)
        self._next(coming)
        self._outcome.note(0.0, self._fleet)
        while self._events:
            now_s, kind, _, subject = heapq.heappop(self._events)
            if kind == SEND and isinstance(subject, Arrival):
                self._next(coming)
                self._send(self._outcome.ticket(subject), now_s)
            else:
                self._happen(now_s, kind, subject, end_s)
        self._outcome.close(end_s)
        return self._outcome

    def _happen(self, now_s: float, kind: int, subject: object, end_s: float) -> None:
        if kind == STEP:
            assert isinstance(subject, Pod)
            if subject.replica.ends_s == now_s:  # else it was planned anew meanwhile
                subject.replica.advance()
                self._follow(subject)
        elif kind == SEND:
            assert isinstance(subject, Ticket)
            self._send(subject, now_s)
        elif now_s < end_s:
            self._control(now_s, kind, subject)

    def _control(self, now_s: float, kind: int, subject: object) -> None:
        """What comes back every so many seconds."""
        if isinstance(subject, Pod):
            if subject.ended_s is None:
                subject.scrape(now_s)
                self._push(now_s + SCRAPE_S, SCRAPE, subject)
            return
        assert self._scaler is not None and isinstance(subject, float)
        self._push(now_s + subject, kind, subject)
        if kind == LOOK:
            self._fleet.door.scrape(now_s)
            return
        decide = self._scaler.sync if kind == SYNC else self._scaler.poll
        for pod in self._fleet.resize(decide(now_s, self._fleet), now_s):
            self._watch(pod, now_s)
        self._fleet.reap(now_s)
        self._outcome.note(now_s, self._fleet)

    def _next(self, coming: Iterable[Arrival]) -> None:
        arrival = next(iter(coming), None)
        if arrival is not None:
            self._push(arrival.at_s, SEND, arrival)

    def _send(self, ticket: Ticket, now_s: float) -> None:
        self._fleet.door.asked += 1
        pod = self._fleet.choose(now_s)
        if pod is None:
            ticket.unserved += 1
            self._again(ticket, now_s, self._setup.absent_s)
            return
        planned_s = pod.replica.ends_s
        if pod.replica.take(ticket, now_s):
            if pod.replica.ends_s != planned_s:
                self._follow(pod)
        else:
            ticket.refusals += 1
            pause_s = pod.replica.retry_after_s(now_s) * self._random.uniform(1, 1 + SPREAD)
            self._again(ticket, now_s, max(1, math.ceil(pause_s)))

    def _again(self, ticket: Ticket, now_s: float, pause_s: float) -> None:
        if now_s + pause_s - ticket.arrived_s <= self._setup.patience_s:
            self._push(now_s + pause_s, SEND, ticket)

    def _follow(self, pod: Pod) -> None:
        if (ends_s := pod.replica.ends_s) is not None:
            self._push(ends_s, STEP, pod)

    def _watch(self, pod: Pod, now_s: float) -> None:
        if self._scaler:
            self._push(now_s + self._random.random() * SCRAPE_S, SCRAPE, pod)

    def _push(self, at_s: float, kind: int, subject: object) -> None:
        heapq.heappush(self._events, (at_s, kind, next(self._order), subject))
