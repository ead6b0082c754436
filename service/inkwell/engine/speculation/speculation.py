"""Adds drafted tokens to the rows of a step: how many each row gets, and how many were accepted.

A row with k drafts is computed as one segment of k + 1 tokens. At each of its positions a token is chosen as if it were
computed alone, with the same random number; each draft that equals the chosen token has saved a step, the others are
dropped. So the text is the same as without drafts (after Leviathan et al., arXiv 2211.17192; here the chosen token is
compared, not its probability, because a seed must give the same text). That holds only for a batch-invariant decoder;
speculation is not used with any other. No torch.
"""

import collections.abc
import heapq
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol
from weakref import WeakKeyDictionary

from inkwell.engine.scheduler import MAX_DECODE_SLOWDOWN, MIN_PREFILL_TOKENS, Plan, Row
from inkwell.engine.sequence import Sequence
from inkwell.engine.step_costs import StepCostModel

# With more rows, a step is limited by arithmetic, which drafts do not save, and every row waits for the drafts.
MAX_DRAFTING_ROWS = 8
MAX_DRAFT_TOKENS = 12
_COST_DECAY = 0.8  # weight of the past in the measured cost of a drafted token, and of one that the drafter reads
_IDLE_COST_DECAY = 0.99  # the same after a step without drafts

_PRIOR_HITS, _PRIOR_MISSES = 1.0, 1.0  # before anything was drafted, a draft is as likely right as wrong
_HIT_DECAY = 0.9  # weight of the past after each step, so about the last ten drafts count
_IDLE_HIT_DECAY = 0.99  # without drafts, a bad record fades in about a hundred steps, and drafting is tried again


@dataclass(frozen=True, slots=True)
class DraftRequest:
    """Asks for 1 to `count` drafts for a sequence whose newest token is not computed yet."""

    sequence: Sequence
    count: int


class Drafter(Protocol):
    """Guesses the next tokens of sequences. A drafter that must read a text first can do so over several steps."""

    def unread(self, sequence: Sequence) -> int:
        """How many tokens it must read before it drafts for this sequence."""
        return 0

    def read(self, sequences: collections.abc.Sequence[Sequence], room: int) -> int:
        """Read on, in this order and at most `room` tokens in total; returns how many it read."""
        return 0

    def propose(self, requests: collections.abc.Sequence[DraftRequest]) -> list[tuple[int, ...]]:
        """The drafts of each request, for sequences that it has read completely; empty where it has no guess."""
        ...


@dataclass(slots=True)
class Acceptance:
    """Hits and misses of one sequence's drafted tokens; recent ones count most."""

    hits: float = 0.0
    misses: float = 0.0

    @property
    def rate(self) -> float:
        """The probability that the next drafted token is accepted, above 0 and below 1."""
        tried = self.hits + self.misses + _PRIOR_HITS + _PRIOR_MISSES
        return (self.hits + _PRIOR_HITS) / tried

    def observe(self, drafted: int, accepted: int) -> None:
        """The first `accepted` of `drafted` tokens were right; those after a wrong one carry no information."""
        decay = _HIT_DECAY if drafted else _IDLE_HIT_DECAY
        self.hits = self.hits * decay + accepted
        self.misses = self.misses * decay + (accepted < drafted)


class Speculation:
    """Adds drafts to plans where they pay off, by the measured cost of a step and each sequence's acceptance rate."""

    def __init__(self, drafter: Drafter, costs: StepCostModel, clock: Callable[[], float] = time.perf_counter) -> None:
        self._drafter = drafter
        self._costs = costs
        self._clock = clock
        self._acceptance: WeakKeyDictionary[Sequence, Acceptance] = (
            WeakKeyDictionary()
        )  # entries vanish with their sequences
        self._draft_seconds = 0.0  # cost of one drafted token before it is verified
        self._read_seconds = 0.0  # cost of one token that the drafter reads to catch up

    def acceptance(self, sequence: Sequence) -> Acceptance:
        """The record of a sequence's drafts."""
        return self._acceptance.setdefault(sequence, Acceptance())

    def add_drafts(self, plan: Plan) -> Plan:
        """The plan with drafts in its decoding rows. A step that computes prompts gets none: it takes long enough."""
        if plan.prefill or not 0 < len(plan.decode) <= MAX_DRAFTING_ROWS:
            return plan
        counts = self._draft_counts(plan.decode)
        requests = {
            index: DraftRequest(plan.decode[index].sequence, count) for index, count in enumerate(counts) if count
        }
        if not requests:
            self._draft_seconds *= _IDLE_COST_DECAY  # an estimate that ends all drafting would never be corrected
            return plan
        unread = [request.sequence for request in requests.values() if self._drafter.unread(request.sequence)]
        if unread:
            self._catch_up(unread, len(plan.decode))
        requests = {index: item for index, item in requests.items() if not self._drafter.unread(item.sequence)}
        return self._drafted(plan, requests) if requests else plan

    def observe(self, plan: Plan, chosen: Mapping[int, collections.abc.Sequence[int]]) -> None:
        """Learn which drafts were accepted; `chosen` maps job keys to tokens, all but the last drafted."""
        for row in plan.decode:
            tokens = chosen.get(row.sequence.job.key)
            if tokens:
                self.acceptance(row.sequence).observe(len(row.drafts), len(tokens) - 1)

    def _drafted(self, plan: Plan, requests: Mapping[int, DraftRequest]) -> Plan:
        """The plan with drafts in the rows of `requests`, which is keyed by row index."""
        began = self._clock()
        drafts = self._drafter.propose(list(requests.values()))
        self._observe_cost(self._clock() - began, sum(map(len, drafts)), len(plan.decode))
        rows = list(plan.decode)
        for index, draft in zip(requests, drafts, strict=True):
            rows[index] = replace(rows[index], length=1 + len(draft), drafts=draft)
        return replace(plan, decode=tuple(rows))

    def _catch_up(self, sequences: collections.abc.Sequence[Sequence], rows: int) -> None:
        """Let the drafter read, for no longer than prefill may lengthen a step of `rows` rows.

        This happens once for a text, so it does not count as a cost of drafts.
        """
        seconds = (MAX_DECODE_SLOWDOWN - 1) * self._costs.seconds(rows)
        room = int(seconds / self._read_seconds) if self._read_seconds else MIN_PREFILL_TOKENS
        began = self._clock()
        read = self._drafter.read(sequences, max(MIN_PREFILL_TOKENS, room))
        if read:
            latest = (self._clock() - began) / read
            self._read_seconds += (1 - _COST_DECAY if self._read_seconds else 1.0) * (latest - self._read_seconds)

    def _draft_counts(self, rows: collections.abc.Sequence[Row]) -> list[int]:
        """Drafts for each row: the likeliest first, as long as one more raises the tokens per second of the step.

        The measure is the goodput of Liu et al., arXiv 2406.14066. The j-th draft of a row counts only if all before it
        are right, so it adds rate ** j tokens on average.
        """
        counts = [0] * len(rows)
        rates = [self.acceptance(row.sequence).rate for row in rows]
        tokens, seconds = float(len(rows)), self._costs.seconds(len(rows))
        extra = self._costs.seconds_per_row + self._draft_seconds
        heap = [(-rate, index) for index, rate in enumerate(rates) if rows[index].sequence.max_drafts > 0]
        heapq.heapify(heap)
        while heap:
            gain, index = heap[0]
            if -gain * seconds <= tokens * extra:
                break
            counts[index] += 1
            tokens, seconds = tokens - gain, seconds + extra
            if counts[index] < min(MAX_DRAFT_TOKENS, rows[index].sequence.max_drafts):
                heapq.heapreplace(heap, (gain * rates[index], index))
            else:
                heapq.heappop(heap)
        return counts

    def _observe_cost(self, seconds: float, drafted: int, rows: int) -> None:
        # Limited to the duration of a step: at that cost no draft pays off, and the machine may have been suspended.
        if drafted:
            latest = min(seconds / drafted, self._costs.seconds(rows))
            self._draft_seconds += (1 - _COST_DECAY) * (latest - self._draft_seconds)
