"""The pods of a release: they start, get requests by a balancer, are scraped, and drain when they are too many."""

import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from scripts.scaling.curve import Curve
from scripts.scaling.replica import Limits, Replica

SCRAPE_S = 15.0  # between two looks of Prometheus, or of metrics-server, at a pod
Balance = Literal["random", "round-robin", "least"]
BALANCES: tuple[Balance, ...] = ("random", "round-robin", "least")


@dataclass(slots=True, eq=False)
class Pod:
    """One pod and what was last seen of it. `scraped` is False until it was looked at once while it was ready."""

    replica: Replica
    created_s: float
    ready_s: float
    stopping_s: float | None = None
    ended_s: float | None = None
    scraped: bool = False
    wait_s: float = 0.0
    running: int = 0
    busy: float = 0.0  # share of the time between the last two scrapes in which it computed
    _seen_s: float = 0.0
    _seen_busy_s: float = 0.0

    def scrape(self, now_s: float) -> None:
        """Note what its metrics say now."""
        busy_s = self.replica.busy_s(now_s)
        if now_s > self._seen_s:
            self.busy = (busy_s - self._seen_busy_s) / (now_s - max(self._seen_s, self.created_s))
        self._seen_s, self._seen_busy_s = now_s, busy_s
        self.wait_s, self.running = self.replica.queue_s(now_s), self.replica.running
        self.scraped = now_s >= self.ready_s


@dataclass(slots=True)
class Door:
    """What stands before the pods and counts requests while there are none: an ingress, scraped like the pods."""

    asked: int = 0
    _seen: deque[tuple[float, int]] = field(default_factory=deque)

    def scrape(self, now_s: float) -> None:
        self._seen.append((now_s, self.asked))

    def per_s(self, now_s: float, window_s: float) -> float:
        """The rate between the first and the last scrape within the window."""
        while self._seen and self._seen[0][0] < now_s - window_s:
            self._seen.popleft()
        if len(self._seen) < 2:
            return 0.0
        (begin_s, before), (end_s, after) = self._seen[0], self._seen[-1]
        return (after - before) / (end_s - begin_s)


class Fleet:
    """All pods that are, and how many seconds of pods there were."""

    def __init__(
        self, curve: Curve, limits: Limits, start_s: float, pre_stop_s: float, balance: Balance, seed: int
    ) -> None:
        self._make: Callable[[], Replica] = lambda: Replica(curve, limits)
        self._start_s, self._pre_stop_s = start_s, pre_stop_s
        self._balance = balance
        self._random = random.Random(seed)
        self._turn = itertools.count()
        self.door = Door()
        self.pods: list[Pod] = []  # those that run or start, the oldest first; not those that drain
        self.draining: list[Pod] = []
        self.pod_seconds = 0.0  # of the pods that have ended

    def ready(self, now_s: float) -> list[Pod]:
        """The pods that get requests."""
        return [pod for pod in self.pods if pod.ready_s <= now_s]

    def resize(self, count: int, now_s: float, start_s: float | None = None) -> list[Pod]:
        """Start pods, or stop the youngest, those first that are not ready yet. Gives the new ones."""
        new = []
        while len(self.pods) < count:
            ready_s = now_s + (self._start_s if start_s is None else start_s)
            new.append(Pod(self._make(), now_s, ready_s))
            self.pods.append(new[-1])
        while len(self.pods) > count:
            youngest = max(reversed(self.pods), key=lambda pod: (pod.ready_s > now_s, pod.ready_s))
            self.pods.remove(youngest)
            youngest.stopping_s = now_s
            self.draining.append(youngest)
        return new

    def reap(self, now_s: float) -> None:
        """End the pods that have drained; one that was not ready yet ends at once."""
        for pod in list(self.draining):
            assert pod.stopping_s is not None
            served = pod.ready_s <= pod.stopping_s
            if not served or (not pod.replica.open and now_s >= pod.stopping_s + self._pre_stop_s):
                pod.ended_s = now_s
                self.draining.remove(pod)
                self.pod_seconds += now_s - pod.created_s

    def all_pod_seconds(self, now_s: float) -> float:
        """Including the pods that are there now."""
        return self.pod_seconds + sum(now_s - pod.created_s for pod in (*self.pods, *self.draining))

    def choose(self, now_s: float) -> Pod | None:
        """The pod that the balancer sends the next request to; None if no pod is ready."""
        ready = self.ready(now_s)
        if not ready:
            return None
        if self._balance == "random":
            return self._random.choice(ready)
        turn = next(self._turn)
        if self._balance == "round-robin":
            return ready[turn % len(ready)]
        first = turn % len(ready)  # of equal ones not always the same
        return min(ready[first:] + ready[:first], key=lambda pod: pod.replica.open)
