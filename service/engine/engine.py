"""Continuous batching for one loaded model: sequences join and leave between steps.

Takes jobs of token ids, gives events; one step is plan, run, sample, commit, publish. It has no thread, clock or
queue of its own: whoever owns the process calls `step` as long as `has_work` is true. Every job that was submitted
and not cancelled ends in exactly one final event.
"""

import torch
from torch import Tensor

from service.engine.contract import Event, FailureEvent, Job, TokenEvent
from service.engine.runner import Runner
from service.engine.sampler import choose, finite_rows
from service.engine.scheduler import Plan, Row, Scheduler
from service.errors import EngineFailed, InvalidLogits


class Engine:
    """The scheduler and the runner of one model, and the loop body that joins them."""

    def __init__(self, runner: Runner, scheduler: Scheduler) -> None:
        self._runner = runner
        self._scheduler = scheduler

    @property
    def has_work(self) -> bool:
        return self._scheduler.has_work

    def submit(self, job: Job) -> None:
        """Queue a job; its events come out of later steps."""
        self._scheduler.add(job)

    def cancel(self, key: int) -> None:
        """Drop a job; it gives no further event. Unknown keys are ignored: it may have ended a moment ago."""
        self._scheduler.abort(key)

    def step(self) -> list[Event]:
        """Compute one step. A failure ends the jobs of this step with an event each, and the engine goes on."""
        plan = self._scheduler.plan()
        try:
            return self._compute(plan)
        except torch.AcceleratorError:  # a GPU that failed once fails for ever in this process: it must end
            raise
        except Exception as error:  # whatever torch raises belongs to the rows of this plan and to nobody else
            return [self._fail(row, EngineFailed("the engine failed in this step"), repr(error)) for row in plan.rows]

    def _compute(self, plan: Plan) -> list[Event]:
        logits = self._runner.run(plan)
        ready = [place for place, row in enumerate(plan.rows) if row.completes]
        finite = finite_rows(logits)
        sound = [place for place in ready if finite[place]]
        tokens = self._sample(logits, plan, sound) if sound else {}
        broken = [self._fail_logits(plan.rows[place]) for place in ready if not finite[place]]
        return broken + [
            TokenEvent(key, None if finish == "stop" else token, finish)
            for key, token, finish in self._scheduler.commit(plan, tokens)
        ]

    def _sample(self, logits: Tensor, plan: Plan, places: list[int]) -> dict[int, int]:
        sequences = [plan.rows[place].sequence for place in places]
        tokens = choose(
            logits[places],
            [sequence.job.sampling for sequence in sequences],
            [sequence.generated for sequence in sequences],
        )
        return {sequence.job.key: token for sequence, token in zip(sequences, tokens, strict=True)}

    def _fail_logits(self, row: Row) -> FailureEvent:
        return self._fail(row, InvalidLogits("the model's output is not a number; its weights may be damaged"), None)

    def _fail(self, row: Row, error: EngineFailed | InvalidLogits, cause: str | None) -> FailureEvent:
        key = row.sequence.job.key
        self._scheduler.abort(key)
        return FailureEvent(key, error.code, error.message, cause)
