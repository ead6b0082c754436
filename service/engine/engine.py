"""Continuous batching for one loaded model: sequences join and leave between steps.

Takes jobs of token ids, gives events; one step is plan, draft, run, choose, commit. It has no thread and no queue of
its own: whoever owns the process calls `step` as long as `has_work` is true. Every job that was submitted and not
cancelled ends in exactly one final event.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from service.engine.contract import Event, FailureEvent, Job, TokenEvent
from service.engine.costs import StepCosts
from service.engine.runner import Runner
from service.engine.sampler import Draw, choose, finite_rows
from service.engine.scheduler import Plan, Row, Scheduler, Taken
from service.engine.speculation import Speculation, agreed
from service.errors import EngineFailed, InvalidLogits


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
            return self._compute(self._speculation.extend(plan) if self._speculation else plan)
        except torch.AcceleratorError:  # a GPU that failed once fails for ever in this process: it must end
            raise
        except Exception as error:  # whatever torch raises belongs to the rows of this plan and to nobody else
            failed = EngineFailed("the engine failed in this step")
            keys = self._scheduler.fail(plan)
            return [FailureEvent(key, failed.code, failed.message, repr(error)) for key in keys]

    def _compute(self, plan: Plan) -> list[Event]:
        began = self._clock()
        chosen, broken = self._choose(plan, self._runner.run(plan))
        taken = self._scheduler.commit(plan, chosen)
        if self._speculation:
            self._speculation.learn(plan, chosen)
        prompt_tokens = sum(row.length for row in plan.prefill)
        self._costs.observe(sum(row.length for row in plan.decode), prompt_tokens, self._clock() - began)
        ended = {item.sequence.job.key for item in taken if item.finish}
        return [_event(item) for item in taken] + [self._fail_logits(key) for key in broken if key not in ended]

    def _choose(self, plan: Plan, logits: Tensor) -> tuple[dict[int, list[int]], list[int]]:
        """New tokens by job key, and the keys of those whose next logits are no numbers; `logits` [wanted, vocab]."""
        draws = [draw for row in plan.rows for draw in _draws(row)]
        sound = [place for place, finite in enumerate(finite_rows(logits)) if finite]
        some = logits if len(sound) == len(draws) else logits[sound]
        tokens = dict(zip(sound, choose(some, [draws[place] for place in sound]) if sound else [], strict=True))
        chosen, broken, begin = {}, [], 0
        for row in plan.rows:
            run = agreed(row.drafts, [tokens.get(place) for place in range(begin, begin + row.wanted)])
            begin += row.wanted
            if run and run[-1] is None:
                broken.append(row.sequence.job.key)
            if any(token is not None for token in run):
                chosen[row.sequence.job.key] = [token for token in run if token is not None]
        return chosen, broken

    def _fail_logits(self, key: int) -> FailureEvent:
        self._scheduler.drop(key)
        error = InvalidLogits("the model's output is not a number; its weights may be damaged")
        return FailureEvent(key, error.code, error.message, None)


def _draws(row: Row) -> list[Draw]:
    """What is chosen at each wanted position of a row: behind its newest token, and behind each draft."""
    job = row.sequence.job
    generated = [*row.sequence.tokens[len(job.prompt) :], *row.drafts]
    ends = range(row.sequence.generated, row.sequence.generated + row.wanted)
    return [Draw(job.sampling, job.prompt, generated[:end]) for end in ends]


def _event(taken: Taken) -> TokenEvent:
    token = None if taken.finish == "stop" else taken.token
    cached_tokens = taken.sequence.reused if taken.finish else 0
    return TokenEvent(taken.sequence.job.key, token, taken.finish, cached_tokens)
