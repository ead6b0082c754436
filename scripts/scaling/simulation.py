"""A discrete-event simulation of requests, pods and one autoscaler; deterministic for each seed.

The autoscaler is the chart's mode `hpa-queue`; without targets the number of pods is fixed.
"""

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from statistics import fmean

from inkwell.access.admission import SPREAD
from scripts.benchmark.figures import percentile
from scripts.benchmark.workloads import FULL, Size
from scripts.scaling.curve import Curve
from scripts.scaling.hpa import Controller, Targets, desired_pods
from scripts.scaling.pod import Pod, Request

PERIOD_S = 15.0  # interval of Prometheus' scrapes and of the HPA's decisions


def waits(requests: Iterable[Request], begin_s: float, end_s: float) -> tuple[float, float, float]:
    """For requests first sent in this interval: waits for a slot, p50 and p95, and percent refused at least once."""
    chosen = [item for item in requests if begin_s <= item.sent_s < end_s]
    waits_s = [item.started_s - item.sent_s for item in chosen]
    refused = 100 * fmean(item.refusals > 0 for item in chosen)
    return percentile(waits_s, 50), percentile(waits_s, 95), refused


def arrivals(spans: Sequence[tuple[float, float]], seed: int) -> list[Request]:
    """Poisson arrivals with W3's lengths; each span is its end time and its requests per second."""
    rng, now_s, found = random.Random(seed), 0.0, list[Request]()
    for end_s, per_s in spans:
        while (now_s := now_s + rng.expovariate(per_s)) < end_s:
            found.append(Request(Size(rng.randint(*FULL.prompts), rng.randint(*FULL.outputs)), now_s))
        now_s = end_s  # memoryless, so each span starts afresh
    return found


class Simulation:
    """One simulation run. `start_s` is the time from a pod's creation until it accepts requests."""

    def __init__(self, curve: Curve, pods: int, targets: Targets | None, start_s: float, seed: int) -> None:
        self._curve = curve
        self._targets = targets
        self._controller = Controller(targets) if targets else None
        self._start_s = start_s
        self._random = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()  # breaks ties between events at the same time
        self._end_s = math.inf
        self._pods: list[Pod] = []  # ready or starting, oldest first
        self._stopped: list[Pod] = []  # they finish their requests and get no new ones
        self.counts: list[tuple[float, int]] = []  # number of pods ready or starting, from each time on
        self._resize(pods, 0.0, 0.0)

    def run(self, requests: Iterable[Request], end_s: float) -> None:
        """Simulate all requests until they end; the autoscaler runs until `end_s`."""
        self._end_s = end_s
        for request in requests:
            self._at(request.sent_s, partial(self._send, request))
        if self._controller:
            self._at(self._random.random() * PERIOD_S, self._scale)
        while self._events:
            now_s, _, happen = heapq.heappop(self._events)
            happen(now_s)
        for pod in (*self._stopped, *self._pods):
            pod.run_until(math.inf)

    def _at(self, moment_s: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (moment_s, next(self._order), happen))

    def _send(self, request: Request, now_s: float) -> None:
        """Send to a random pod, like Kubernetes' Services; a refused client retries after the pod's Retry-After."""
        pod = self._random.choice([pod for pod in self._pods if pod.ready_s <= now_s])
        pod.run_until(now_s)
        if not pod.submit(request, now_s):
            request.refusals += 1
            pause_s = math.ceil(pod.throughput.wait_s() * self._random.uniform(1, 1 + SPREAD))
            self._at(now_s + pause_s, partial(self._send, request))

    def _scale(self, now_s: float) -> None:
        """One iteration of the control loop, on metrics one period old; the larger recommendation of the two counts."""
        assert self._controller and self._targets
        current, known = len(self._pods), [pod.scraped for pod in self._pods if pod.scraped]
        unready = current - len(known)
        wanted = desired_pods(current, [wait_s for wait_s, _ in known], unready, self._targets.wait_s)
        if self._targets.running:
            running = [float(running) for _, running in known]
            wanted = max(wanted, desired_pods(current, running, unready, self._targets.running))
        self._resize(self._controller.decide(now_s, current, wanted), now_s, self._start_s)
        for pod in self._pods:
            if pod.ready_s <= now_s:
                pod.run_until(now_s)
                pod.scraped = (pod.throughput.queue_s(pod.open - pod.running), pod.running)
        if now_s + PERIOD_S < self._end_s:
            self._at(now_s + PERIOD_S, self._scale)

    def _resize(self, count: int, now_s: float, start_s: float) -> None:
        """Start pods, or stop the newest ones."""
        while len(self._pods) < count:
            self._pods.append(Pod(self._curve, now_s + start_s))
        while len(self._pods) > count:
            self._stopped.append(self._pods.pop())
        self.counts.append((now_s, count))
