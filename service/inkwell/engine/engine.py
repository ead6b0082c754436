"""Continuous batching for one loaded model: sequences join and leave between steps.

Takes jobs of token ids, returns events. One step is plan, draft, run, choose, commit. It has no thread and no queue of
its own: the owner of the process calls `step` as long as `has_work` is true. Every job that was submitted and not
cancelled ends in exactly one final event.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch

from inkwell.engine.contract import Event, FailureEvent, Job, TokenEvent
from inkwell.engine.runner import Runner
from inkwell.engine.sampling.logprobs import TokenLogprob
from inkwell.engine.sampling.step_output import sample_step
from inkwell.engine.scheduler import Plan, Scheduler, SequenceOutput
from inkwell.engine.speculation.speculation import Speculation
from inkwell.engine.step_costs import StepCostModel
from inkwell.errors import EngineFailed, InkwellError


class Engine:
    """The scheduler and the runner of one model, and the loop body that connects them.

    `costs` is updated after every step; the scheduler and the speculation share it.
    """

    def __init__(
        self,
        runner: Runner,
        scheduler: Scheduler,
        costs: StepCostModel | None = None,
        speculation: Speculation | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._runner = runner
        self._scheduler = scheduler
        self._costs = costs or StepCostModel()
        self._speculation = speculation
        self._clock = clock
        self._queue_times = QueueTimes(clock)
        self._rows = 0

    @property
    def has_work(self) -> bool:
        return self._scheduler.has_work

    @property
    def rows(self) -> int:
        """Number of sequences in the last step."""
        return self._rows

    def submit(self, job: Job) -> None:
        """Queue a job; later steps return its events."""
        self._queue_times.arrived(job.key)
        self._scheduler.add(job)

    def cancel(self, key: int) -> None:
        """Drop a job; no further event of it is returned. Unknown keys are ignored: the job may just have ended."""
        self._queue_times.ended(key)
        self._scheduler.abort(key)

    def step(self) -> list[Event]:
        """Compute one step. A failure ends the jobs of this step with an event each; the engine stays usable."""
        plan = self._scheduler.plan()
        self._rows = len(plan.rows)
        self._queue_times.admitted(plan.admitted)
        try:
            return self._compute(self._speculation.add_drafts(plan) if self._speculation else plan)
        except torch.AcceleratorError:  # after a failure the GPU is unusable in this process, so the process must end
            raise
        except Exception as error:  # any error in torch fails the rows of this plan and no others
            failed = EngineFailed("the engine failed in this step")
            keys = self._scheduler.fail(plan)
            for key in keys:
                self._queue_times.ended(key)
            return [FailureEvent(key, failed.code, failed.message, repr(error)) for key in keys]

    def _compute(self, plan: Plan) -> list[Event]:
        began = self._clock()
        computed = self._runner.run(plan)
        sampled = sample_step(plan, computed.logits)
        failures = sampled.failures | dict(computed.failures)
        # A row without a valid token fails now. A row with some valid tokens emits them first and then fails, unless
        # one of them finished it.
        failing = [key for key in failures if key not in sampled.tokens or key in dict(computed.failures)]
        failed: list[Event] = [self._fail(key, failures.pop(key)) for key in failing]
        outputs = self._scheduler.commit(plan, sampled.tokens)
        if self._speculation:
            self._speculation.observe(plan, sampled.tokens)
        if not (computed.scores or sampled.inspections):  # scoring time would distort the step-cost model
            self._observe_cost(plan, began)
        tokens = self._token_events(outputs, sampled.logprobs)
        ended = {output.sequence.job.key for output in outputs if output.finish}
        failed += [self._fail(key, error) for key, error in failures.items() if key not in ended]
        return [*computed.scores, *sampled.inspections, *tokens, *failed]

    def _observe_cost(self, plan: Plan, began: float) -> None:
        prompt_tokens = sum(row.length for row in plan.prefill)
        self._costs.observe(sum(row.length for row in plan.decode), prompt_tokens, self._clock() - began)

    def _token_events(
        self, outputs: Iterable[SequenceOutput], logprobs: Mapping[int, Sequence[TokenLogprob]]
    ) -> Iterator[TokenEvent]:
        """One event for each generated token, with its log-probability if the job requested it."""
        remaining = {key: iter(items) for key, items in logprobs.items()}
        for output in outputs:
            key = output.sequence.job.key
            logprob = next(remaining[key]) if key in remaining else None
            token = None if output.finish == "stop" else output.token
            event = TokenEvent(key, token, output.finish)
            if logprob and token is not None:
                event = replace(event, logprob=logprob.logprob, top=logprob.top)
            if (queue_s := self._queue_times.pop(key)) is not None:  # the first event of the job
                event = replace(event, cached_tokens=output.sequence.reused, queue_s=queue_s)
            yield event

    def _fail(self, key: int, error: InkwellError) -> FailureEvent:
        self._scheduler.drop(key)
        self._queue_times.ended(key)
        return FailureEvent(key, error.code, error.message, None)


class QueueTimes:
    """Seconds from each job's arrival to its admission, reported once. The scheduler has no clock to measure them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._arrived: dict[int, float] = {}
        self._waited_s: dict[int, float] = {}

    def arrived(self, key: int) -> None:
        self._arrived[key] = self._clock()

    def admitted(self, keys: Iterable[int]) -> None:
        for key in keys:
            self._waited_s[key] = self._clock() - self._arrived.pop(key)

    def pop(self, key: int) -> float | None:
        """How long the job waited; None if that was reported before."""
        return self._waited_s.pop(key, None)

    def ended(self, key: int) -> None:
        self._arrived.pop(key, None)
        self._waited_s.pop(key, None)
