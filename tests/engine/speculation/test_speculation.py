"""Which rows get drafts, how many, and what is learned from them. No model."""

import pytest

from inkwell.engine.contract import Job
from inkwell.engine.scheduler import MAX_DECODE_SLOWDOWN, MIN_PREFILL_TOKENS, Plan, Row
from inkwell.engine.sequence import Sequence
from inkwell.engine.speculation.ngram import NgramDrafter
from inkwell.engine.speculation.speculation import (
    MAX_DRAFT_TOKENS,
    MAX_DRAFTING_ROWS,
    Drafter,
    DraftRequest,
    Speculation,
)
from inkwell.engine.step_costs import StepCostModel


class Fixed(Drafter):
    """Drafts as many tokens as it is asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def propose(self, requests: list[DraftRequest]) -> list[tuple[int, ...]]:
        self.asked = [request.count for request in requests]
        return [tuple(range(request.count)) for request in requests]


class Reader(Fixed):
    """Must read 400 tokens before it drafts, each in 0.02 s of its clock; a drafted token takes 0.01 s."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.left = 0.0, 400
        self.reads: list[int] = []

    def clock(self) -> float:
        return self.now

    def unread(self, sequence: Sequence) -> int:
        return self.left

    def read(self, sequences: list[Sequence], room: int) -> int:
        size = min(room, self.left)
        self.reads.append(size)
        self.left -= size
        self.now += 0.02 * size
        return size

    def propose(self, requests: list[DraftRequest]) -> list[tuple[int, ...]]:
        self.now += 0.01 * sum(request.count for request in requests)
        return super().propose(requests)


def costs(per_row: float) -> StepCostModel:
    """A step costs 1 and `per_row` for each row."""
    learned = StepCostModel()
    for turn in range(4000):
        learned.observe(turn % 17, 0, 1 + per_row * (turn % 17))
    return learned


def plan(count: int, max_tokens: int = 100) -> Plan:
    """A step of `count` decoding rows."""
    rows = []
    for key in range(count):
        sequence = Sequence(Job(key, (5, 6), max_tokens), slot=key, cached=2)
        sequence.tokens.append(7)
        rows.append(Row(sequence, 2, 1))
    return Plan((), (), tuple(rows))


def with_drafts(speculation: Speculation, records: list[tuple[float, float]], max_tokens: int = 100) -> Plan:
    """A step with drafts for rows that have these (hits, misses)."""
    step = plan(len(records), max_tokens)
    for row, (hits, misses) in zip(step.decode, records, strict=True):
        acceptance = speculation.acceptance(row.sequence)
        acceptance.hits, acceptance.misses = hits, misses
    return speculation.add_drafts(step)


def drafted(records: list[tuple[float, float]], per_row: float = 0.05, max_tokens: int = 100, clock=lambda: 0.0):
    speculation = Speculation(Fixed(), costs(per_row), clock)
    return [len(row.drafts) for row in with_drafts(speculation, records, max_tokens).decode]


ALWAYS, OFTEN, NEVER = (50.0, 0.0), (8.0, 2.0), (0.0, 9.0)


def test_a_row_that_is_guessed_right_gets_long_drafts_and_one_that_is_not_gets_few_or_none():
    always, never = drafted([ALWAYS, NEVER])
    assert always == MAX_DRAFT_TOKENS and never <= 1
    assert drafted([NEVER], per_row=0.3) == [0]


def test_the_more_rows_run_the_fewer_drafts_each_gets():
    alone, four, most = (drafted([OFTEN] * rows, per_row=0.15)[0] for rows in (1, 4, MAX_DRAFTING_ROWS))
    assert alone > four > most


def test_beyond_the_largest_batch_nobody_gets_any():
    assert drafted([ALWAYS] * MAX_DRAFTING_ROWS) == [MAX_DRAFT_TOKENS] * MAX_DRAFTING_ROWS
    assert drafted([ALWAYS] * (MAX_DRAFTING_ROWS + 1)) == [0] * (MAX_DRAFTING_ROWS + 1)


def test_where_rows_cost_as_much_as_steps_nothing_is_drafted():
    assert drafted([OFTEN], per_row=5.0) == [0]


@pytest.mark.parametrize("left", [1, 2, 5])
def test_no_more_is_drafted_than_can_be_used(left: int):
    assert drafted([ALWAYS], max_tokens=1 + left) == [left - 1]


def test_a_step_that_computes_prompts_gets_no_drafts():
    prompt = plan(1).decode
    both = Plan((), prompt, plan(1).decode)
    assert Speculation(Fixed(), costs(0.05)).add_drafts(both) is both


def test_expensive_drafts_are_made_shorter():
    ticks = iter(range(1000))
    speculation = Speculation(Fixed(), costs(0.05), lambda: 2.0 * next(ticks))
    lengths = [len(with_drafts(speculation, [OFTEN]).decode[0].drafts) for _ in range(30)]
    assert lengths[0] > 3 and lengths[-1] < lengths[0]


def test_a_drafter_reads_no_longer_in_a_step_than_a_piece_of_a_prompt_may_take_and_then_drafts_as_ever():
    reader, fixed = Reader(), Fixed()
    speculation = Speculation(reader, costs(0.05), reader.clock)
    lengths = []
    while reader.left:
        lengths.append(len(with_drafts(speculation, [OFTEN]).decode[0].drafts))
    assert not any(lengths[:-1])
    most = (MAX_DECODE_SLOWDOWN - 1) * 1.05 / 0.02
    assert reader.reads[0] == MIN_PREFILL_TOKENS and len(reader.reads) > 5
    assert all(0.9 * most < read < 1.1 * most for read in reader.reads[1:-1])
    # Reading does not count as a cost of drafts: as many are made as by a drafter that has nothing to read.
    cheap = with_drafts(Speculation(fixed, costs(0.05)), [OFTEN])
    assert len(with_drafts(speculation, [OFTEN]).decode[0].drafts) == len(cheap.decode[0].drafts)


def test_those_who_are_read_get_drafts_while_another_text_is_read():
    class Half(Reader):
        def unread(self, sequence: Sequence) -> int:
            return self.left if sequence.slot else 0

    reader = Half()
    rows = with_drafts(Speculation(reader, costs(0.05), reader.clock), [OFTEN, OFTEN]).decode
    assert len(rows[0].drafts) > 0 == len(rows[1].drafts)
    assert reader.reads == [MIN_PREFILL_TOKENS]


def test_a_machine_that_slept_during_a_draft_does_not_end_drafting_for_long():
    moments = [0.0, 1000.0]
    speculation = Speculation(Fixed(), costs(0.05), lambda: moments.pop(0) if moments else 1000.0)
    lengths = [len(with_drafts(speculation, [OFTEN]).decode[0].drafts) for _ in range(10)]
    assert lengths[0] > 0 and lengths[-1] > 0


def test_the_row_is_lengthened_by_its_drafts():
    (row,) = with_drafts(Speculation(Fixed(), costs(0.05)), [OFTEN]).decode
    assert row.length == 1 + len(row.drafts) and row.tokens == [7, *row.drafts] and row.logit_count == row.length


def test_misses_end_drafting_and_it_is_tried_again_later():
    speculation = Speculation(Fixed(), costs(0.3))
    row = plan(1)
    lengths = []
    for _ in range(300):
        step = speculation.add_drafts(row)
        lengths.append(len(step.decode[0].drafts))
        speculation.observe(step, {0: [99]})
    assert lengths[0] > 0 and 0 in lengths[:10]
    assert 0 < sum(length > 0 for length in lengths[20:]) < 30


def test_hits_make_drafts_grow():
    speculation = Speculation(Fixed(), costs(0.05))
    row = plan(1)
    lengths = []
    for _ in range(20):
        step = speculation.add_drafts(row)
        lengths.append(len(step.decode[0].drafts))
        speculation.observe(step, {0: [*step.decode[0].drafts, 99]})
    assert lengths[0] < lengths[-1] == MAX_DRAFT_TOKENS


def test_prompt_lookup_serves_every_request():
    rows = plan(2).decode
    rows[0].sequence.tokens[:] = [1, 2, 3, 1, 2]
    assert NgramDrafter().propose([DraftRequest(row.sequence, 2) for row in rows]) == [(3, 1), ()]
