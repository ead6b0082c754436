"""Who computes what in the next step, and who is done. Plain Python: no torch, no threads, no clock.

Sequences are admitted in the order they came, as long as there is a free slot; a slot holds a whole context, so an
admitted sequence never runs out of room and nothing is ever pre-empted (docs/decisions/0003-slot-cache.md). A step
decodes every running sequence by one token and computes at most one chunk of one prompt.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from service.engine.contract import FinishReason, Job
from service.engine.sequence import Sequence


@dataclass(frozen=True, slots=True)
class Row:
    """This step computes `length` tokens of `sequence`, from position `start` on."""

    sequence: Sequence
    start: int
    length: int

    @property
    def completes(self) -> bool:
        """Whether the row's last position is the newest token, so that the next one can be sampled."""
        return self.start + self.length == len(self.sequence.tokens)


@dataclass(frozen=True, slots=True)
class Plan:
    """One step: at most one chunk of a prompt, and every decoding sequence."""

    prefill: tuple[Row, ...]
    decode: tuple[Row, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        return self.prefill + self.decode


class Scheduler:
    """The waiting and the running sequences of one model."""

    def __init__(self, slots: int, prefill_chunk: int) -> None:
        self._free_slots = list(range(slots))
        self._prefill_chunk = prefill_chunk
        self._waiting: deque[Job] = deque()
        self._running: dict[int, Sequence] = {}  # by job key, in order of admission

    @property
    def has_work(self) -> bool:
        return bool(self._waiting or self._running)

    def add(self, job: Job) -> None:
        """Queue a job; its key must be new."""
        self._waiting.append(job)

    def abort(self, key: int) -> None:
        """Forget a job wherever it is; one that has ended already is no error, because messages cross."""
        if key in self._running:
            self._release(key)
        self._waiting = deque(job for job in self._waiting if job.key != key)

    def plan(self) -> Plan:
        """Admit who fits and choose the rows of the next step."""
        while self._waiting and self._free_slots:
            job = self._waiting.popleft()
            self._running[job.key] = Sequence(job, self._free_slots.pop())
        sequences = self._running.values()
        prefill = [self._prefill_row(sequence) for sequence in sequences if sequence.pending > 1 or not sequence.cached]
        decode = [
            Row(sequence, sequence.cached, 1) for sequence in sequences if sequence.pending == 1 and sequence.cached
        ]
        return Plan(tuple(prefill[:1]), tuple(decode))

    def _prefill_row(self, sequence: Sequence) -> Row:
        # Chunks end at fixed positions, so a prompt is cut the same way whoever else is there: its bits stay the same.
        border = (sequence.cached // self._prefill_chunk + 1) * self._prefill_chunk
        return Row(sequence, sequence.cached, min(border, len(sequence.tokens)) - sequence.cached)

    def commit(self, plan: Plan, sampled: Mapping[int, int]) -> list[tuple[int, int, FinishReason | None]]:
        """Record a computed step. `sampled` maps job keys to new tokens; gives (key, token, finish) of each.

        Sequences that end leave their slots; rows of sequences that were dropped since the plan are passed over.
        """
        results = []
        for row in plan.rows:
            row.sequence.cached += row.length
            key = row.sequence.job.key
            if key in sampled and key in self._running:
                finish = row.sequence.accept(sampled[key])
                results.append((key, sampled[key], finish))
                if finish:
                    self._release(key)
        return results

    def _release(self, key: int) -> None:
        self._free_slots.append(self._running.pop(key).slot)
