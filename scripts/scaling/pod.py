"""One simulated pod: the engine's real scheduler and step-cost model, with step times from a measured curve.

The loop is that of engine/engine.py: plan, compute, commit, observe. Computing takes the time that the curve predicts
for the planned step. Admission follows the service's settings, and waits are estimated by the service's
`ThroughputEstimator`. Drafts and shared prefixes are left out: both make a real pod faster.
"""

import math
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from inkwell.access.throughput import GAP_S, ThroughputEstimator
from inkwell.engine.contract import EngineConfig, Job
from inkwell.engine.scheduler import Plan, Scheduler
from inkwell.engine.step_costs import StepCostModel
from inkwell.settings.settings import Settings
from scripts.benchmark.figures import percentile
from scripts.benchmark.workloads import FULL, Size, crowd_sizes
from scripts.scaling.curve import Check, Curve

SETTINGS = Settings.from_environ({})  # the defaults


@dataclass(slots=True, eq=False)
class Request:
    """One request; times are infinite until they happen."""

    size: Size
    sent_s: float  # first attempt
    started_s: float = math.inf  # when it got its slot
    ended_s: float = math.inf
    refusals: int = 0
    promise: ExitStack = field(default_factory=ExitStack)  # open while the request is in a pod


class Pod:
    """The requests of one pod and the step in progress. Time moves only by `run_until`."""

    def __init__(self, curve: Curve, ready_s: float = 0.0) -> None:
        self.ready_s = ready_s
        self.running = 0
        self.throughput = ThroughputEstimator(lambda: self._now_s)
        self.rows = min(SETTINGS.max_rows, curve.rows)  # at most as many as the measured engine had
        self.scraped: tuple[float, int] | None = None  # estimated wait and running requests, as last seen by Prometheus
        self._curve = curve
        self._costs = StepCostModel()
        self._scheduler = Scheduler(self.rows, EngineConfig().prefill_chunk, curve.batch_invariant, self._costs)
        self._now_s = 0.0
        self._open: dict[int, Request] = {}  # by job key
        self._keys = 0
        self._plan: Plan | None = None
        self._step_s = 0.0
        self._repeats = 1  # number of identical steps simulated at once
        self._begun_s = 0.0

    @property
    def open(self) -> int:
        """Number of requests that run or wait."""
        return len(self._open)

    @property
    def step_ends_s(self) -> float:
        """End of the step in progress; infinite for an idle pod."""
        return self._begun_s + self._step_s * self._repeats if self._plan else math.inf

    def submit(self, request: Request, now_s: float) -> bool:
        """Admit a request unless the pod is full; call `run_until` first."""
        if self.open >= SETTINGS.max_requests:
            return False
        self._keys += 1
        self._open[self._keys] = request
        request.promise.enter_context(self.throughput.promise(request.size.new_tokens))
        prompt = (self._keys,) * request.size.prompt_tokens  # unique tokens: no prefix is shared
        self._scheduler.add(Job(self._keys, prompt, request.size.new_tokens))
        if self._plan is None:
            self._begin(now_s)
        elif self.running < self.rows:  # the request joins after the current step, so repeats end there
            self._repeats = min(self._repeats, int((now_s - self._begun_s) / self._step_s) + 1)
        return True

    def run_until(self, now_s: float) -> None:
        """Finish every step that ends by `now_s`."""
        while self._plan and self.step_ends_s <= now_s:
            self._finish(self._plan)
        self._now_s = now_s

    def _begin(self, now_s: float) -> None:
        """Plan the next step. Steps that only decode are identical until a sequence ends, and are simulated at once."""
        plan = self._scheduler.plan()
        for key in plan.admitted:
            self._open[key].started_s = now_s
        self.running += len(plan.admitted)
        self._plan, self._begun_s = plan, now_s
        self._step_s = self._curve.step_s(len(plan.decode), sum(row.length for row in plan.prefill))
        left = [row.sequence.job.max_tokens - row.sequence.generated for row in plan.decode]
        longest = max(1, int(GAP_S / self._step_s))  # `ThroughputEstimator` ignores longer gaps
        self._repeats = 1 if plan.prefill else min(*left, longest)

    def _finish(self, plan: Plan) -> None:
        """Commit the step like the engine, with its repeats as further tokens of the same commit."""
        self._now_s = self.step_ends_s
        chosen = {row.sequence.job.key: (0,) * self._repeats for row in plan.rows if row.completes}
        taken = self._scheduler.commit(plan, chosen)
        self._costs.observe(len(plan.decode), sum(row.length for row in plan.prefill), self._step_s)
        self.throughput.note(len(taken))
        for key in (item.sequence.job.key for item in taken if item.finish):
            request = self._open.pop(key)
            request.ended_s = self._now_s
            request.promise.close()
            self.running -= 1
        self._plan = None
        if self._scheduler.has_work:
            self._begin(self._now_s)


def simulated_check(curve: Curve, check: Check) -> Check:
    """Simulate the W3 run `check` on one pod: each client sends its next request when its previous one has ended."""
    pod, now_s, sent = Pod(curve), 0.0, list[Request]()
    for size in crowd_sizes(replace(FULL, crowd=check.requests)):
        while pod.open == check.clients:
            now_s = pod.step_ends_s
            pod.run_until(now_s)
        sent.append(Request(size, now_s))
        if not pod.submit(sent[-1], now_s):
            raise ValueError(f"{check.clients} clients exceed the number of requests that a pod admits")
    pod.run_until(math.inf)
    latencies_s = [item.ended_s - item.sent_s for item in sent]
    tokens_per_s = sum(item.size.new_tokens for item in sent) / max(item.ended_s for item in sent)
    return Check(check.clients, tokens_per_s, percentile(latencies_s, 50), percentile(latencies_s, 95), len(sent))
