"""Drafted tokens for the rows of a step: who gets how many, and what became of them.

A row with k drafts is computed as one piece of k + 1 tokens. At each of its positions a token is chosen just as if
it were computed alone, with the same random number; the drafts that were chosen too have saved a step each, the rest
is dropped. So what comes out is what would have come out without (after Leviathan et al., arXiv 2211.17192; here
the choice is compared, not its probability, because a seed must give the same text). That holds for a decoder whose
bits do not depend on how a sequence is cut; there is no speculation with another. No torch.
"""

import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from inkwell.engine.scheduler import LEAST_PIECE, STRETCH, Plan, Row
from inkwell.engine.sequence import Sequence as Tokens
from inkwell.engine.step_costs import StepCosts

# With more rows than these a step is bound by arithmetic, which drafts do not save, and everybody waits for them.
MOST_ROWS = 8
LONGEST_DRAFT = 12
_MEMORY = 0.8  # of the measured cost of a drafted token, and of one that is read
_IDLE_MEMORY = 0.99  # of the same after a step without drafts


@dataclass(frozen=True, slots=True)
class Wish:
    """At most `count` drafts, one at least, for a sequence whose newest token is not computed yet."""

    sequence: Tokens
    count: int


class Drafter(Protocol):
    """Guesses what comes next. One that must read a text before can do so in pieces; others have nothing to read."""

    def unread(self, sequence: Tokens) -> int:
        """How many tokens it must read before it drafts for this sequence."""
        return 0

    def read(self, sequences: Sequence[Tokens], room: int) -> int:
        """Read on, in this order and at most `room` tokens in all; gives how many it read."""
        return 0

    def propose(self, wishes: Sequence[Wish]) -> list[tuple[int, ...]]:
        """The drafts of each wish, for sequences of which nothing is unread; empty where it has no idea."""
        ...


class NgramDrafter(Drafter):
    """Looks up what followed last time (`ngram.py`)."""

    def propose(self, wishes: Sequence[Wish]) -> list[tuple[int, ...]]:
        return [wish.sequence.index.draft(wish.sequence.tokens, wish.count) for wish in wishes]


class Speculation:
    """Adds drafts to plans, as many as pay by what was measured: the cost of a step, and who was guessed right."""

    def __init__(self, drafter: Drafter, costs: StepCosts, clock: Callable[[], float] = time.perf_counter) -> None:
        self._drafter = drafter
        self._costs = costs
        self._clock = clock
        self._draft_seconds = 0.0  # what one drafted token costs before it is verified
        self._read_seconds = 0.0  # what one token costs that the drafter reads to catch up

    def extend(self, plan: Plan) -> Plan:
        """The plan with drafts in its decoding rows. A step that computes prompts is long enough without."""
        if plan.prefill or not 0 < len(plan.decode) <= MOST_ROWS:
            return plan
        counts = self._allot(plan.decode)
        wishes = {place: Wish(plan.decode[place].sequence, count) for place, count in enumerate(counts) if count}
        if not wishes:
            self._draft_seconds *= _IDLE_MEMORY  # an estimate that ends all drafting must not be the last one
            return plan
        behind = [wish.sequence for wish in wishes.values() if self._drafter.unread(wish.sequence)]
        if behind:
            self._catch_up(behind, len(plan.decode))
        wishes = {place: wish for place, wish in wishes.items() if not self._drafter.unread(wish.sequence)}
        return self._drafted(plan, wishes) if wishes else plan

    def _drafted(self, plan: Plan, wishes: Mapping[int, Wish]) -> Plan:
        """The plan with drafts in the rows at some places."""
        began = self._clock()
        drafts = self._drafter.propose(list(wishes.values()))
        self._note_cost(self._clock() - began, sum(map(len, drafts)), len(plan.decode))
        rows = list(plan.decode)
        for place, draft in zip(wishes, drafts, strict=True):
            rows[place] = replace(rows[place], length=1 + len(draft), drafts=draft)
        return replace(plan, decode=tuple(rows))

    def _catch_up(self, behind: Sequence[Tokens], rows: int) -> None:
        """Let the drafter read, for no longer than a piece of a prompt may take in a step of so many rows.

        What this costs is paid once for a text, so it says nothing about the cost of a draft.
        """
        seconds = (STRETCH - 1) * self._costs.seconds(rows)
        room = int(seconds / self._read_seconds) if self._read_seconds else LEAST_PIECE
        began = self._clock()
        read = self._drafter.read(behind, max(LEAST_PIECE, room))
        if read:
            latest = (self._clock() - began) / read
            self._read_seconds += (1 - _MEMORY if self._read_seconds else 1.0) * (latest - self._read_seconds)

    def learn(self, plan: Plan, chosen: Mapping[int, Sequence[int]]) -> None:
        """What became of the plan's drafts: `chosen` tokens by job key, all but the last of each drafted."""
        for row in plan.decode:
            tokens = chosen.get(row.sequence.job.key)
            if tokens:
                row.sequence.acceptance.learn(len(row.drafts), len(tokens) - 1)

    def _allot(self, rows: Sequence[Row]) -> list[int]:
        """Drafts for each row: the likeliest first, as long as one more raises the tokens per second of the step.

        The yardstick is the goodput of Liu et al., arXiv 2406.14066. The j-th draft of a row counts only if all before
        it are right, so it brings rate ** j tokens.
        """
        counts = [0] * len(rows)
        rates = [row.sequence.acceptance.rate for row in rows]
        tokens, seconds = float(len(rows)), self._costs.seconds(len(rows))
        extra = self._costs.per_row + self._draft_seconds
        heap = [(-rate, place) for place, rate in enumerate(rates) if rows[place].sequence.draftable > 0]
        heapq.heapify(heap)
        while heap:
            gain, place = heap[0]
            if -gain * seconds <= tokens * extra:
                break
            counts[place] += 1
            tokens, seconds = tokens - gain, seconds + extra
            if counts[place] < min(LONGEST_DRAFT, rows[place].sequence.draftable):
                heapq.heapreplace(heap, (gain * rates[place], place))
            else:
                heapq.heappop(heap)
        return counts

    def _note_cost(self, seconds: float, drafted: int, rows: int) -> None:
        """Drafts that took as long as the step itself cannot pay; how much longer, a machine that slept may say."""
        if drafted:
            latest = min(seconds / drafted, self._costs.seconds(rows))
            self._draft_seconds += (1 - _MEMORY) * (latest - self._draft_seconds)
