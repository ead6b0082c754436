"""Who computes what in the next step, and who is done. Plain Python: no torch, no threads, no clock.

Sequences are admitted in the order they came, as long as there is a free slot; a slot holds a whole context, so an
admitted sequence never runs out of room and nothing is ever pre-empted (docs/decisions/0003-slot-cache.md). A step
decodes every running sequence and computes pieces of prompts, in order of admission, under a budget of tokens.
"""

from collections import deque
from collections.abc import Mapping
from collections.abc import Sequence as Tokens
from dataclasses import dataclass

from inkwell.engine.contract import FinishReason, Job
from inkwell.engine.sequence import Sequence
from inkwell.engine.slots import LEAST_REUSED, Copy, Slots
from inkwell.engine.step_costs import StepCosts

# A step with a piece of a prompt in it takes so many times as long as without, for those who decode.
STRETCH = 1.75
CROWDED = 1.2  # or, if that is more, so many times as long as a step in which all who are admitted decode
LEAST_PIECE = 4  # tokens of a prompt in a step, so that it comes to its end however slow the machine is


@dataclass(frozen=True, slots=True)
class Row:
    """This step computes `length` tokens of `sequence` from position `start` on; the last ones may be drafts."""

    sequence: Sequence
    start: int
    length: int
    drafts: tuple[int, ...] = ()

    @property
    def tokens(self) -> list[int]:
        return [*self.sequence.tokens[self.start : self.start + self.length - len(self.drafts)], *self.drafts]

    @property
    def completes(self) -> bool:
        """Whether the row reaches the newest token, so that the next one can be chosen."""
        return self.start + self.length - len(self.drafts) == len(self.sequence.tokens)

    @property
    def wanted(self) -> int:
        """At how many of its last positions the step needs logits."""
        return 1 + len(self.drafts) if self.completes and self.sequence.job.needs_logits else 0


@dataclass(frozen=True, slots=True)
class Plan:
    """One step: copies of computed beginnings, in order and before all else; pieces of prompts; decoding rows."""

    copies: tuple[Copy, ...]
    prefill: tuple[Row, ...]
    decode: tuple[Row, ...]
    admitted: tuple[int, ...] = ()  # keys of the jobs that got their slots for this step

    @property
    def rows(self) -> tuple[Row, ...]:
        return self.prefill + self.decode


@dataclass(frozen=True, slots=True)
class Taken:
    """A token that a sequence has taken, if it was to take any, and why it ended if it did."""

    sequence: Sequence
    token: int | None
    finish: FinishReason | None


class Scheduler:
    """The waiting and the running sequences of one model. `uniform` is the decoder's; `costs` bounds prompt pieces."""

    def __init__(self, slots: int, prefill_chunk: int, uniform: bool = False, costs: StepCosts | None = None) -> None:
        self._slots = Slots(slots, 1 if uniform else prefill_chunk)
        self._prefill_chunk = prefill_chunk
        self._uniform = uniform
        self._costs = costs
        self._waiting: deque[Job] = deque()
        self._running: dict[int, Sequence] = {}  # by job key, in order of admission

    @property
    def has_work(self) -> bool:
        return bool(self._waiting or self._running)

    def add(self, job: Job) -> None:
        """Queue a job; its key must be new. Whoever calls bounds how many wait."""
        self._waiting.append(job)

    def abort(self, key: int) -> None:
        """Forget a job wherever it is; one that has ended already is no error, because messages cross."""
        if key in self._running:
            self._slots.give_back(self._running.pop(key), sound=True)
        else:
            self._waiting = deque(job for job in self._waiting if job.key != key)

    def drop(self, key: int) -> None:
        """Forget a running job whose computation failed: nothing that is in its slot may be used again."""
        self._slots.give_back(self._running.pop(key), sound=False)

    def fail(self, plan: Plan) -> list[int]:
        """The step failed: drop everyone in it, and forget beginnings that may not have been copied. Gives the keys."""
        keys = [row.sequence.job.key for row in plan.rows if row.sequence.job.key in self._running]
        for key in keys:
            self.drop(key)
        for sequence in self._running.values():
            if any(copy.target == sequence.slot for copy in plan.copies):
                sequence.reuse(0)
        return keys

    def plan(self) -> Plan:
        """Admit who fits and choose the rows of the next step."""
        running = len(self._running)
        copies = self._admit()
        admitted = tuple(self._running)[running:]
        decode = tuple(Row(item, item.cached, 1) for item in self._running.values() if item.decodes)
        room = self._budget(len(decode))
        prefill: list[Row] = []
        prompts = [sequence for sequence in self._running.values() if not sequence.decodes]
        for place, sequence in enumerate(prompts):
            if self._waits(sequence, prompts[:place]):
                continue
            if sequence.cached == sequence.reused:
                copies += filter(None, [self._slots.improve(sequence)])
            prefill.append(self._prefill_row(sequence, room))
            room -= prefill[-1].length
            if room <= 0 or not self._uniform:  # a decoder that is not uniform runs each piece by itself, one is enough
                break
        return Plan(tuple(copies), tuple(prefill), decode, admitted)

    def _admit(self) -> list[Copy]:
        copies = []
        while self._waiting and self._slots.any_free:
            sequence, copy = self._slots.take(self._waiting.popleft())
            self._running[sequence.job.key] = sequence
            copies += [copy] if copy else []
        return copies

    def _budget(self, decoding: int) -> int:
        """Tokens of prompts in this step. It must not change anybody's bits, so only a uniform decoder measures it."""
        if not (decoding and self._uniform and self._costs):
            return self._prefill_chunk
        # A step of all is what everybody gets as soon as the prompts are done. Without it the first few to decode would
        # hold up the many behind them, and the weights would be read for few rows all the time.
        seconds = max(STRETCH * self._costs.seconds(decoding), CROWDED * self._costs.seconds(len(self._running)))
        return min(max(LEAST_PIECE, self._costs.prompt_room(decoding, seconds)), self._prefill_chunk)

    def _waits(self, sequence: Sequence, earlier: list[Sequence]) -> bool:
        """Whether somebody is about to compute more of this very beginning: a copy is cheaper than the same again."""
        if sequence.cached > sequence.reused:
            return False
        promises = [(other, self._slots.promised(sequence, other)) for other in earlier]
        return any(length >= sequence.cached + LEAST_REUSED and other.cached < length for other, length in promises)

    def _prefill_row(self, sequence: Sequence, room: int) -> Row:
        if self._uniform:
            return Row(sequence, sequence.cached, min(sequence.pending, room))
        # Chunks end at fixed positions, so a prompt is cut the same way whoever else is there: its bits stay the same.
        border = (sequence.cached // self._prefill_chunk + 1) * self._prefill_chunk
        return Row(sequence, sequence.cached, min(border, len(sequence.tokens)) - sequence.cached)

    def commit(self, plan: Plan, chosen: Mapping[int, Tokens[int]]) -> list[Taken]:
        """Record a computed step. `chosen` maps job keys to the tokens that were chosen, all but the last drafted.

        Sequences that end leave their slots; rows of sequences that were dropped since the plan are passed over.
        """
        results: list[Taken] = []
        for row in plan.rows:
            sequence, key = row.sequence, row.sequence.job.key
            if key not in self._running:
                continue
            if key not in chosen:
                sequence.cached += row.length - len(row.drafts)
                results += self._end_read(sequence)
                continue
            tokens = chosen[key]
            taken, finish = sequence.accept(tokens, row.length - len(row.drafts) + len(tokens) - 1)
            results += [Taken(sequence, token, None) for token in taken[:-1]]
            results.append(Taken(sequence, taken[-1], finish))
            if finish:
                self._slots.give_back(self._running.pop(key), sound=True)
        return results

    def _end_read(self, sequence: Sequence) -> list[Taken]:
        """End a sequence of which nothing was wanted but its prompt, when that is computed."""
        if sequence.pending > 0 or sequence.job.max_tokens > 0:
            return []
        self._slots.give_back(self._running.pop(sequence.job.key), sound=True)
        return [Taken(sequence, None, "length")]
