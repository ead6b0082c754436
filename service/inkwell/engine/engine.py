"""Continuous batching for one loaded model: sequences join and leave between steps.

Takes jobs of token ids, gives events; one step is plan, draft, run, choose, commit. It has no thread and no queue of
its own: whoever owns the process calls `step` as long as `has_work` is true. Every job that was submitted and not
cancelled ends in exactly one final event.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch

from inkwell.engine.contract import Event, FailureEvent, Job, TokenEvent
from inkwell.engine.queue_times import Waits
from inkwell.engine.runner import Runner
from inkwell.engine.sampling.logprobs import TokenLogprob
from inkwell.engine.sampling.step_output import sample_step
from inkwell.engine.scheduler import Plan, Scheduler, Taken
from inkwell.engine.speculation.speculation import Speculation
from inkwell.engine.step_costs import StepCosts
from inkwell.errors import EngineFailed, InkwellError


class Engine:
    """The scheduler and the runner of one model, and the loop body that joins them.

    `costs` learns from every step, for the scheduler and the speculation that were made with it.
    """

    def __init__(
        self,
        runner: Runner,
        scheduler: Scheduler,
        costs: StepCosts | None = None,
        speculation: Speculation | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._runner = runner
        self._scheduler = scheduler
        self._costs = costs or StepCosts()
        self._speculation = speculation
        self._clock = clock
        self._waits = Waits(clock)
        self._rows = 0

    @property
    def has_work(self) -> bool:
        return self._scheduler.has_work

    @property
    def rows(self) -> int:
        """How many sequences shared the last step."""
        return self._rows

    def submit(self, job: Job) -> None:
        """Queue a job; its events come out of later steps."""
        self._waits.arrived(job.key)
        self._scheduler.add(job)

    def cancel(self, key: int) -> None:
        """Drop a job; it gives no further event. Unknown keys are ignored: it may have ended a moment ago."""
        self._waits.ended(key)
        self._scheduler.abort(key)

    def step(self) -> list[Event]:
        """Compute one step. A failure ends the jobs of this step with an event each, and the engine goes on."""
        plan = self._scheduler.plan()
        self._rows = len(plan.rows)
        self._waits.admitted(plan.admitted)
        try:
            return self._compute(self._speculation.extend(plan) if self._speculation else plan)
        except torch.AcceleratorError:  # a GPU that failed once fails for ever in this process: it must end
            raise
        except Exception as error:  # whatever torch raises belongs to the rows of this plan and to nobody else
            failed = EngineFailed("the engine failed in this step")
            keys = self._scheduler.fail(plan)
            for key in keys:
                self._waits.ended(key)
            return [FailureEvent(key, failed.code, failed.message, repr(error)) for key in keys]

    def _compute(self, plan: Plan) -> list[Event]:
        began = self._clock()
        computed = self._runner.run(plan)
        outputs = sample_step(plan, computed.logits)
        failures = outputs.failures | dict(computed.failures)
        # Who has nothing sound to take must not end well; the others fail behind what they take, unless it ends them.
        lost = [key for key in failures if key not in outputs.tokens or key in dict(computed.failures)]
        failed: list[Event] = [self._fail(key, failures.pop(key)) for key in lost]
        taken = self._scheduler.commit(plan, outputs.tokens)
        if self._speculation:
            self._speculation.learn(plan, outputs.tokens)
        if not (computed.scores or outputs.inspections):  # they take time that no later step should be expected to take
            self._observe(plan, began)
        tokens = self._token_events(taken, outputs.logprobs)
        ended = {item.sequence.job.key for item in taken if item.finish}
        failed += [self._fail(key, error) for key, error in failures.items() if key not in ended]
        return [*computed.scores, *outputs.inspections, *tokens, *failed]

    def _observe(self, plan: Plan, began: float) -> None:
        prompt_tokens = sum(row.length for row in plan.prefill)
        self._costs.observe(sum(row.length for row in plan.decode), prompt_tokens, self._clock() - began)

    def _token_events(
        self, taken: Sequence[Taken], logprobs: Mapping[int, Sequence[TokenLogprob]]
    ) -> Iterator[TokenEvent]:
        """One for each token that was taken, with its log-probability, where asked for."""
        answers = {key: iter(items) for key, items in logprobs.items()}
        for item in taken:
            key = item.sequence.job.key
            answer = next(answers[key]) if key in answers else None
            token = None if item.finish == "stop" else item.token
            event = TokenEvent(key, token, item.finish)
            if answer and token is not None:
                event = replace(event, logprob=answer.logprob, top=answer.top)
            if (waited_s := self._waits.told(key)) is not None:  # its first event
                event = replace(event, cached_tokens=item.sequence.reused, queue_s=waited_s)
            yield event

    def _fail(self, key: int, error: InkwellError) -> FailureEvent:
        self._scheduler.drop(key)
        self._waits.ended(key)
        return FailureEvent(key, error.code, error.message, None)
