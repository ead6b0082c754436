"""Assigns cache slots to sequences and finds computed prefixes to reuse. Plain Python: no tensors.

A sequence that ends leaves its tokens in its slot until the slot is assigned again. A new sequence with the same prefix
takes the slot over or copies the prefix. Slots with different cache salts share nothing.

A slot that was never used occupies no memory, and a used one keeps its memory. A new slot is therefore opened only
while the number of open slots is below the highest concurrency so far or below MIN_OPEN_SLOTS: memory grows with the
concurrency that was needed, and the last few texts of a single client stay cached. Otherwise the least recently used
text is evicted, which costs at most its recomputation. Pages are never returned to the system.

With a batch-invariant decoder, the keys and values of a token do not depend on how its sequence was split into steps,
so a shared prefix of any length can be reused. Otherwise only whole prefill chunks can: every sequence computes those
with the same bits.
"""

import collections.abc
from dataclasses import dataclass

from inkwell.engine.contract import Job
from inkwell.engine.sequence import Sequence

MIN_REUSED_TOKENS = 16  # a shorter prefix is computed with the rest in no more time than copying it takes
MIN_OPEN_SLOTS = 4  # texts that a single client can continue; each may occupy the memory of a whole context
_COMPARE_BLOCK = 64  # tokens compared at once


@dataclass(frozen=True, slots=True)
class Copy:
    """Before the next step, copy the first `length` positions of slot `source` to slot `target`."""

    source: int
    target: int
    length: int


@dataclass(slots=True)
class _Slot:
    number: int
    holder: Sequence | None = None  # the sequence that computed the contents; it may have ended
    free: bool = True
    opened: bool = False  # used before, so it occupies memory
    last_use: int = 0  # a counter, not a clock: only the order matters


class Slots:
    """The slots of one cache. `reuse_granularity` is 1 for a batch-invariant decoder, else the prefill chunk."""

    def __init__(self, count: int, reuse_granularity: int) -> None:
        self._slots = [_Slot(number) for number in range(count)]
        self._reuse_granularity = reuse_granularity
        self._uses = 0
        self._peak = 0  # the most slots in use at once

    @property
    def any_free(self) -> bool:
        return any(slot.free for slot in self._slots)

    def take(self, job: Job) -> tuple[Sequence, Copy | None]:
        """Assign a slot to a job: the one that holds its longest prefix, or else the best one to evict.

        In the second case the prefix is copied into it. There must be a free slot.
        """
        source, length = self._longest_prefix(job)
        slot = self._choose_slot(source, length)
        sequence = Sequence(job, slot.number)
        sequence.reuse(length)
        self._mark_used(slot)
        slot.holder, slot.free, slot.opened = sequence, False, True
        self._peak = max(self._peak, sum(not slot.free for slot in self._slots))
        if source is None or source is slot:
            return sequence, None
        self._mark_used(source)
        return sequence, Copy(source.number, slot.number, length)

    def extend_prefix(self, sequence: Sequence) -> Copy | None:
        """A longer prefix for a sequence that has computed nothing yet, if one was computed since its admission."""
        source, length = self._longest_prefix(sequence.job)
        if source is None or length < sequence.cached + MIN_REUSED_TOKENS:
            return None
        sequence.reuse(length)
        self._mark_used(source)
        return Copy(source.number, sequence.slot, length)

    def in_flight_prefix(self, sequence: Sequence, other: Sequence) -> int:
        """How many tokens `sequence` can copy from `other` once the prompt of `other` is computed."""
        if other.job.cache_salt != sequence.job.cache_salt or not sequence.job.reuses_prefixes:
            return 0
        return self._shared_prefix(sequence.job, other.job.prompt, self._round_down(len(other.job.prompt)))

    def free(self, sequence: Sequence, valid: bool) -> None:
        """Free the slot of a sequence; its contents may be reused if they are `valid`."""
        slot = self._slots[sequence.slot]
        self._mark_used(slot)
        slot.free = True
        if not valid:
            slot.holder = None

    def _longest_prefix(self, job: Job) -> tuple[_Slot | None, int]:
        """The slot with the longest reusable prefix of the job's prompt."""
        best, best_length = None, 0
        for slot in self._slots if job.reuses_prefixes else ():
            if slot.holder is not None and slot.holder.job.cache_salt == job.cache_salt:
                length = self._shared_prefix(job, slot.holder.tokens, self._reusable_length(slot.holder))
                if length > best_length:
                    best, best_length = slot, length
        return best, best_length

    def _choose_slot(self, source: _Slot | None, length: int) -> _Slot:
        """Take over `source` if that discards at most half of its contents, else the best free slot to evict."""
        free = [slot for slot in self._slots if slot.free]
        others = [slot for slot in free if slot is not source]
        takes_over = (
            source is not None and source.holder is not None and 2 * length >= self._reusable_length(source.holder)
        )
        if source is not None and source.free and (takes_over or not others):
            return source
        opened = sum(slot.opened for slot in self._slots)
        may_open = opened < max(self._peak, len(self._slots) - len(free) + 1, MIN_OPEN_SLOTS)
        return min(others, key=lambda slot: (_eviction_rank(slot, may_open), slot.last_use, slot.number))

    def _reusable_length(self, holder: Sequence) -> int:
        """How many of its first tokens are cached with the bits that any sequence would compute."""
        if self._reuse_granularity == 1:
            return holder.cached
        return self._round_down(min(holder.cached, len(holder.job.prompt)))

    def _shared_prefix(self, job: Job, tokens: collections.abc.Sequence[int], limit: int) -> int:
        """Length of the common prefix of the job's prompt and `tokens[:limit]`; 0 if it is not worth a copy.

        The last token of the prompt is never included, because its hidden state is needed.
        """
        shared = self._round_down(common_length(job.prompt, tokens, min(limit, len(job.prompt) - 1)))
        return shared if shared >= MIN_REUSED_TOKENS else 0

    def _round_down(self, length: int) -> int:
        return length - length % self._reuse_granularity

    def _mark_used(self, slot: _Slot) -> None:
        self._uses += 1
        slot.last_use = self._uses


def _eviction_rank(slot: _Slot, may_open: bool) -> int:
    """The order in which free slots are assigned; with `may_open`, new slots are opened before texts are evicted."""
    if slot.opened:
        return 2 if slot.holder is not None else 0
    return 1 if may_open else 3


def common_length(left: collections.abc.Sequence[int], right: collections.abc.Sequence[int], limit: int) -> int:
    """Length of the common prefix, at most `limit`."""
    start = 0
    while start < limit:
        stop = min(start + _COMPARE_BLOCK, limit)
        if list(left[start:stop]) != list(right[start:stop]):
            return next(index for index in range(start, stop) if left[index] != right[index])
        start = stop
    return limit
