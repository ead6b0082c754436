"""Decides which tokens the next step computes and which sequences have ended. Plain Python: no torch, threads or clock.

Sequences are admitted in order of arrival while a slot is free. A slot holds a whole context, so an admitted sequence
never runs out of room and nothing is pre-empted (docs/decisions/0003-slot-cache.md). A step decodes every running
sequence and computes parts of prompts, in order of admission, within a token budget.
"""

import collections.abc
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from inkwell.engine.contract import FinishReason, Job
from inkwell.engine.sequence import Sequence
from inkwell.engine.slots import MIN_REUSED_TOKENS, Copy, Slots
from inkwell.engine.step_costs import StepCostModel

MAX_DECODE_SLOWDOWN = 1.75  # prefill may lengthen a decode step by at most this factor
# or, if that is longer, to at most this multiple of a step in which all admitted sequences decode
MAX_FULL_BATCH_SLOWDOWN = 1.2
MIN_PREFILL_TOKENS = 4  # minimum prompt tokens per step, so that prompts make progress on machines of any speed


@dataclass(frozen=True, slots=True)
class Row:
    """One step computes `length` tokens of `sequence` from position `start` on; the last ones may be drafts."""

    sequence: Sequence
    start: int
    length: int
    drafts: tuple[int, ...] = ()

    @property
    def tokens(self) -> list[int]:
        return [*self.sequence.tokens[self.start : self.start + self.length - len(self.drafts)], *self.drafts]

    @property
    def completes(self) -> bool:
        """Whether the row includes the newest token, so that the next one can be chosen."""
        return self.start + self.length - len(self.drafts) == len(self.sequence.tokens)

    @property
    def logit_count(self) -> int:
        """For how many of its last positions logits are computed."""
        return 1 + len(self.drafts) if self.completes and self.sequence.job.needs_logits else 0


@dataclass(frozen=True, slots=True)
class Plan:
    """One step: first the copies of cached prefixes, in this order, then the rows to compute."""

    copies: tuple[Copy, ...]
    prefill: tuple[Row, ...]
    decode: tuple[Row, ...]
    admitted: tuple[int, ...] = ()  # keys of the jobs that were assigned slots for this step

    @property
    def rows(self) -> tuple[Row, ...]:
        return self.prefill + self.decode


@dataclass(frozen=True, slots=True)
class SequenceOutput:
    """A generated token and, if the sequence ended, the finish reason; no token if the job generates none."""

    sequence: Sequence
    token: int | None
    finish: FinishReason | None


class Scheduler:
    """The waiting and running sequences of one model.

    `batch_invariant` is that of the decoder; `costs` limits the prompt tokens of a step.
    """

    def __init__(
        self, slots: int, prefill_chunk: int, batch_invariant: bool = False, costs: StepCostModel | None = None
    ) -> None:
        self._slots = Slots(slots, 1 if batch_invariant else prefill_chunk)
        self._prefill_chunk = prefill_chunk
        self._batch_invariant = batch_invariant
        self._costs = costs
        self._waiting: deque[Job] = deque()
        self._running: dict[int, Sequence] = {}  # by job key, in order of admission

    @property
    def has_work(self) -> bool:
        return bool(self._waiting or self._running)

    def add(self, job: Job) -> None:
        """Queue a job; its key must be new. The caller limits the length of the queue."""
        self._waiting.append(job)

    def abort(self, key: int) -> None:
        """Forget a job, waiting or running. An unknown key is ignored: the job may just have ended."""
        if key in self._running:
            self._slots.free(self._running.pop(key), valid=True)
        else:
            self._waiting = deque(job for job in self._waiting if job.key != key)

    def drop(self, key: int) -> None:
        """Forget a running job whose computation failed; the contents of its slot are not reused."""
        self._slots.free(self._running.pop(key), valid=False)

    def fail(self, plan: Plan) -> list[int]:
        """Drop the jobs of a failed step, and forget prefixes that may not have been copied. Returns the keys."""
        keys = [row.sequence.job.key for row in plan.rows if row.sequence.job.key in self._running]
        for key in keys:
            self.drop(key)
        for sequence in self._running.values():
            if any(copy.target == sequence.slot for copy in plan.copies):
                sequence.reuse(0)
        return keys

    def plan(self) -> Plan:
        """Admit waiting jobs while slots are free, and choose the rows of the next step."""
        running = len(self._running)
        copies = self._admit()
        admitted = tuple(self._running)[running:]
        decode = tuple(Row(item, item.cached, 1) for item in self._running.values() if item.decodes)
        budget = self._prefill_budget(len(decode))
        prefill: list[Row] = []
        prompts = [sequence for sequence in self._running.values() if not sequence.decodes]
        for index, sequence in enumerate(prompts):
            if self._awaits_prefix(sequence, prompts[:index]):
                continue
            if sequence.cached == sequence.reused:
                copies += filter(None, [self._slots.extend_prefix(sequence)])
            prefill.append(self._prefill_row(sequence, budget))
            budget -= prefill[-1].length
            # without batch invariance each part of a prompt needs a pass of its own, so one per step is enough
            if budget <= 0 or not self._batch_invariant:
                break
        return Plan(tuple(copies), tuple(prefill), decode, admitted)

    def _admit(self) -> list[Copy]:
        copies = []
        while self._waiting and self._slots.any_free:
            sequence, copy = self._slots.take(self._waiting.popleft())
            self._running[sequence.job.key] = sequence
            copies += [copy] if copy else []
        return copies

    def _prefill_budget(self, decoding: int) -> int:
        """Prompt tokens in this step. Measured costs are used only where splitting a prompt changes no bits."""
        if not (decoding and self._batch_invariant and self._costs):
            return self._prefill_chunk
        # Without the second bound, the first few sequences to decode would delay the many prompts after them, and each
        # step would read all weights for only a few rows. Once all prompts are done, every step is a full batch anyway.
        seconds = max(
            MAX_DECODE_SLOWDOWN * self._costs.seconds(decoding),
            MAX_FULL_BATCH_SLOWDOWN * self._costs.seconds(len(self._running)),
        )
        return min(max(MIN_PREFILL_TOKENS, self._costs.prompt_tokens_within(decoding, seconds)), self._prefill_chunk)

    def _awaits_prefix(self, sequence: Sequence, earlier: list[Sequence]) -> bool:
        """Whether an earlier prompt is about to compute a longer prefix, which is cheaper to copy than to recompute."""
        if sequence.cached > sequence.reused:
            return False
        prefixes = [(other, self._slots.in_flight_prefix(sequence, other)) for other in earlier]
        return any(
            length >= sequence.cached + MIN_REUSED_TOKENS and other.cached < length for other, length in prefixes
        )

    def _prefill_row(self, sequence: Sequence, budget: int) -> Row:
        if self._batch_invariant:
            return Row(sequence, sequence.cached, min(sequence.pending, budget))
        # Chunks end at fixed positions: neither the split of a prompt nor its bits depend on what else runs.
        border = (sequence.cached // self._prefill_chunk + 1) * self._prefill_chunk
        return Row(sequence, sequence.cached, min(border, len(sequence.tokens)) - sequence.cached)

    def commit(self, plan: Plan, chosen: Mapping[int, collections.abc.Sequence[int]]) -> list[SequenceOutput]:
        """Record a computed step. `chosen` maps job keys to the chosen tokens, all but the last of which were drafted.

        Sequences that end free their slots; rows of sequences that were dropped since the plan are ignored.
        """
        outputs: list[SequenceOutput] = []
        for row in plan.rows:
            sequence, key = row.sequence, row.sequence.job.key
            if key not in self._running:
                continue
            if key not in chosen:
                sequence.cached += row.length - len(row.drafts)
                outputs += self._finish_prefill_only(sequence)
                continue
            tokens = chosen[key]
            used, finish = sequence.append(tokens, row.length - len(row.drafts) + len(tokens) - 1)
            outputs += [SequenceOutput(sequence, token, None) for token in used[:-1]]
            outputs.append(SequenceOutput(sequence, used[-1], finish))
            if finish:
                self._slots.free(self._running.pop(key), valid=True)
        return outputs

    def _finish_prefill_only(self, sequence: Sequence) -> list[SequenceOutput]:
        """End a sequence that generates no tokens once its prompt is computed."""
        if sequence.pending > 0 or sequence.job.max_tokens > 0:
            return []
        self._slots.free(self._running.pop(sequence.job.key), valid=True)
        return [SequenceOutput(sequence, None, "length")]
