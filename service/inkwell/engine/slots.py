"""Who sits in which slot of the cache, and what computed beginnings the slots hold. Plain Python: no tensors.

A sequence that ended leaves its tokens in its slot until somebody else gets it; a new one that begins the same way
takes the slot over, or copies the beginning. Slots with different salts know nothing of each other.

A slot that was never used holds no memory yet, and one that was used keeps what it was filled with. So a new one is
opened only while fewer are open than ever ran at once, or than KEPT: the memory follows the concurrency that was
needed, and a lone client's last few texts stay computed. Else somebody's text is given up, the longest unused. That
costs at most its computation, and only if its owner comes back; pages are never given back.

When the decoder is uniform, a token's keys and values do not depend on how its sequence was cut, and any common
length can be reused. Otherwise only whole chunks of a prompt can: their bits are what everybody computes for them.
"""

from collections.abc import Sequence as Tokens
from dataclasses import dataclass

from inkwell.engine.contract import Job
from inkwell.engine.sequence import Sequence

LEAST_REUSED = 16  # a shorter beginning is computed together with the rest in the same time
KEPT = 4  # texts that a lone client may go on with; each may take a whole context of memory
_COMPARED = 64  # tokens that are compared at once


@dataclass(frozen=True, slots=True)
class Copy:
    """Before the next step, copy the first `length` positions of slot `source` to slot `target`."""

    source: int
    target: int
    length: int


@dataclass(slots=True)
class _Slot:
    number: int
    holder: Sequence | None = None  # who computed what is in it; it may have ended
    free: bool = True
    opened: bool = False  # somebody sat in it, so it holds memory
    last_use: int = 0  # a counter, not a clock: only the order matters


class Slots:
    """The slots of one cache. `granule` is 1 for a uniform decoder and the prefill chunk for another."""

    def __init__(self, count: int, granule: int) -> None:
        self._slots = [_Slot(number) for number in range(count)]
        self._granule = granule
        self._uses = 0
        self._peak = 0  # most that were taken at once

    @property
    def any_free(self) -> bool:
        return any(slot.free for slot in self._slots)

    def take(self, job: Job) -> tuple[Sequence, Copy | None]:
        """Seat a job: in the slot that begins like it, or in the one that is missed least, with the beginning copied.

        There must be a free slot.
        """
        source, length = self._longest(job)
        place = self._place(source, length)
        sequence = Sequence(job, place.number)
        sequence.reuse(length)
        self._touch(place)
        place.holder, place.free, place.opened = sequence, False, True
        self._peak = max(self._peak, sum(not slot.free for slot in self._slots))
        if source is None or source is place:
            return sequence, None
        self._touch(source)
        return sequence, Copy(source.number, place.number, length)

    def improve(self, sequence: Sequence) -> Copy | None:
        """A longer beginning for a sequence that has computed nothing yet: others may have gone on since it came."""
        source, length = self._longest(sequence.job)
        if source is None or length < sequence.cached + LEAST_REUSED:
            return None
        sequence.reuse(length)
        self._touch(source)
        return Copy(source.number, sequence.slot, length)

    def promised(self, sequence: Sequence, other: Sequence) -> int:
        """How much of `sequence` the prompt of `other` will hold when it is computed."""
        if other.job.cache_salt != sequence.job.cache_salt or not sequence.job.reuses:
            return 0
        return self._shared(sequence.job, other.job.prompt, self._whole(len(other.job.prompt)))

    def give_back(self, sequence: Sequence, sound: bool) -> None:
        """Free the slot; what it holds may be reused if it is `sound`."""
        slot = self._slots[sequence.slot]
        self._touch(slot)
        slot.free = True
        if not sound:
            slot.holder = None

    def _longest(self, job: Job) -> tuple[_Slot | None, int]:
        """The slot with the longest reusable beginning of the job's prompt."""
        best, best_length = None, 0
        for slot in self._slots if job.reuses else ():
            if slot.holder is not None and slot.holder.job.cache_salt == job.cache_salt:
                length = self._shared(job, slot.holder.tokens, self._reusable(slot.holder))
                if length > best_length:
                    best, best_length = slot, length
        return best, best_length

    def _place(self, source: _Slot | None, length: int) -> _Slot:
        """Take over `source` if at most half of it is lost that way, else a slot that is missed least."""
        free = [slot for slot in self._slots if slot.free]
        others = [slot for slot in free if slot is not source]
        takes_over = source is not None and source.holder is not None and 2 * length >= self._reusable(source.holder)
        if source is not None and source.free and (takes_over or not others):
            return source
        opened = sum(slot.opened for slot in self._slots)
        grows = opened < max(self._peak, len(self._slots) - len(free) + 1, KEPT)
        return min(others, key=lambda slot: (_regret(slot, grows), slot.last_use, slot.number))

    def _reusable(self, holder: Sequence) -> int:
        """So many of its first tokens are in the cache with the bits that anybody would compute."""
        if self._granule == 1:
            return holder.cached
        return self._whole(min(holder.cached, len(holder.job.prompt)))

    def _shared(self, job: Job, tokens: Tokens[int], limit: int) -> int:
        """Common beginning of the job's prompt and `tokens[:limit]`; the prompt's last token is always left over,
        because its hidden state is needed. 0 when it is not worth a copy."""
        shared = self._whole(common_length(job.prompt, tokens, min(limit, len(job.prompt) - 1)))
        return shared if shared >= LEAST_REUSED else 0

    def _whole(self, length: int) -> int:
        return length - length % self._granule

    def _touch(self, slot: _Slot) -> None:
        self._uses += 1
        slot.last_use = self._uses


def _regret(slot: _Slot, grows: bool) -> int:
    """The turn of a free slot to be given away; `grows` says whether new ones are opened before texts are lost."""
    if slot.opened:
        return 2 if slot.holder is not None else 0
    return 1 if grows else 3


def common_length(left: Tokens[int], right: Tokens[int], limit: int) -> int:
    """Length of the common beginning, at most `limit`."""
    start = 0
    while start < limit:
        stop = min(start + _COMPARED, limit)
        if list(left[start:stop]) != list(right[start:stop]):
            return next(place for place in range(start, stop) if left[place] != right[place])
        start = stop
    return limit
