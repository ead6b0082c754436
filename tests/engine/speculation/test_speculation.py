"""Who gets drafts, how many, and what is learned from them; and which drafted tokens count. No model."""

import pytest

from inkwell.engine.contract import Job
from inkwell.engine.scheduler import LEAST_PIECE, STRETCH, Plan, Row
from inkwell.engine.sequence import Sequence
from inkwell.engine.speculation.acceptance import Acceptance
from inkwell.engine.speculation.speculation import (
    LONGEST_DRAFT,
    MOST_ROWS,
    Drafter,
    NgramDrafter,
    Speculation,
    Wish,
)
from inkwell.engine.step_costs import StepCosts


class Fixed(Drafter):
    """Drafts as many tokens as it is asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def propose(self, wishes: list[Wish]) -> list[tuple[int, ...]]:
        self.asked = [wish.count for wish in wishes]
        return [tuple(range(wish.count)) for wish in wishes]


class Reader(Fixed):
    """Must read 400 tokens before it drafts, each in 0.02 s of its clock; a drafted token takes 0.01 s."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.left = 0.0, 400
        self.pieces: list[int] = []

    def clock(self) -> float:
        return self.now

    def unread(self, sequence: Sequence) -> int:
        return self.left

    def read(self, sequences: list[Sequence], room: int) -> int:
        size = min(room, self.left)
        self.pieces.append(size)
        self.left -= size
        self.now += 0.02 * size
        return size

    def propose(self, wishes: list[Wish]) -> list[tuple[int, ...]]:
        self.now += 0.01 * sum(wish.count for wish in wishes)
        return super().propose(wishes)


def costs(per_row: float) -> StepCosts:
    """A step costs 1 and so much for each row."""
    learned = StepCosts()
    for turn in range(4000):
        learned.observe(turn % 17, 0, 1 + per_row * (turn % 17))
    return learned


def plan(rates: list[tuple[float, float]], max_tokens: int = 100) -> Plan:
    """Decoding rows with these (hits, misses)."""
    rows = []
    for key, record in enumerate(rates):
        sequence = Sequence(Job(key, (5, 6), max_tokens), slot=key, cached=2)
        sequence.tokens.append(7)
        sequence.acceptance = Acceptance(*record)
        rows.append(Row(sequence, 2, 1))
    return Plan((), (), tuple(rows))


def drafted(rates: list[tuple[float, float]], per_row: float = 0.05, max_tokens: int = 100, clock=lambda: 0.0):
    speculation = Speculation(Fixed(), costs(per_row), clock)
    return [len(row.drafts) for row in speculation.extend(plan(rates, max_tokens)).decode]


ALWAYS, OFTEN, NEVER = (50.0, 0.0), (8.0, 2.0), (0.0, 9.0)


def test_a_row_that_is_guessed_right_gets_long_drafts_and_one_that_is_not_gets_few_or_none():
    always, never = drafted([ALWAYS, NEVER])
    assert always == LONGEST_DRAFT and never <= 1
    assert drafted([NEVER], per_row=0.3) == [0]


def test_the_more_rows_run_the_fewer_drafts_each_gets():
    alone, four, most = (drafted([OFTEN] * rows, per_row=0.15)[0] for rows in (1, 4, MOST_ROWS))
    assert alone > four > most


def test_beyond_the_largest_batch_nobody_gets_any():
    assert drafted([ALWAYS] * MOST_ROWS) == [LONGEST_DRAFT] * MOST_ROWS
    assert drafted([ALWAYS] * (MOST_ROWS + 1)) == [0] * (MOST_ROWS + 1)


def test_where_rows_cost_as_much_as_steps_nothing_is_drafted():
    assert drafted([OFTEN], per_row=5.0) == [0]


@pytest.mark.parametrize("left", [1, 2, 5])
def test_no_more_is_drafted_than_can_be_used(left: int):
    assert drafted([ALWAYS], max_tokens=1 + left) == [left - 1]


def test_a_step_that_computes_prompts_gets_no_drafts():
    prompt = plan([ALWAYS]).decode
    both = Plan((), prompt, plan([ALWAYS]).decode)
    assert Speculation(Fixed(), costs(0.05)).extend(both) is both


def test_expensive_drafts_are_made_shorter():
    ticks = iter(range(1000))
    speculation = Speculation(Fixed(), costs(0.05), lambda: 2.0 * next(ticks))
    lengths = [len(speculation.extend(plan([OFTEN])).decode[0].drafts) for _ in range(30)]
    assert lengths[0] > 3 and lengths[-1] < lengths[0]


def test_a_drafter_reads_no_longer_in_a_step_than_a_piece_of_a_prompt_may_take_and_then_drafts_as_ever():
    reader, fixed = Reader(), Fixed()
    speculation = Speculation(reader, costs(0.05), reader.clock)
    lengths = []
    while reader.left:
        lengths.append(len(speculation.extend(plan([OFTEN])).decode[0].drafts))
    assert not any(lengths[:-1])
    most = (STRETCH - 1) * 1.05 / 0.02
    assert reader.pieces[0] == LEAST_PIECE and len(reader.pieces) > 5
    assert all(0.9 * most < piece < 1.1 * most for piece in reader.pieces[1:-1])
    # What reading took is no part of what a draft is taken to cost: it gets as many as one that had nothing to read.
    cheap = Speculation(fixed, costs(0.05)).extend(plan([OFTEN]))
    assert len(speculation.extend(plan([OFTEN])).decode[0].drafts) == len(cheap.decode[0].drafts)


def test_those_who_are_read_get_drafts_while_another_text_is_read():
    class Half(Reader):
        def unread(self, sequence: Sequence) -> int:
            return self.left if sequence.slot else 0

    reader = Half()
    rows = Speculation(reader, costs(0.05), reader.clock).extend(plan([OFTEN, OFTEN])).decode
    assert len(rows[0].drafts) > 0 == len(rows[1].drafts)
    assert reader.pieces == [LEAST_PIECE]


def test_a_machine_that_slept_during_a_draft_does_not_end_drafting_for_long():
    moments = [0.0, 1000.0]
    speculation = Speculation(Fixed(), costs(0.05), lambda: moments.pop(0) if moments else 1000.0)
    lengths = [len(speculation.extend(plan([OFTEN])).decode[0].drafts) for _ in range(10)]
    assert lengths[0] > 0 and lengths[-1] > 0


def test_the_row_is_lengthened_by_its_drafts():
    (row,) = Speculation(Fixed(), costs(0.05)).extend(plan([OFTEN])).decode
    assert row.length == 1 + len(row.drafts) and row.tokens == [7, *row.drafts] and row.wanted == row.length


def test_misses_end_drafting_and_it_is_tried_again_later():
    speculation = Speculation(Fixed(), costs(0.3))
    row = plan([(0.0, 0.0)])
    lengths = []
    for _ in range(300):
        step = speculation.extend(row)
        lengths.append(len(step.decode[0].drafts))
        speculation.learn(step, {0: [99]})
    assert lengths[0] > 0 and 0 in lengths[:10]
    assert 0 < sum(length > 0 for length in lengths[20:]) < 30


def test_hits_make_drafts_grow():
    speculation = Speculation(Fixed(), costs(0.05))
    row = plan([(0.0, 0.0)])
    lengths = []
    for _ in range(20):
        step = speculation.extend(row)
        lengths.append(len(step.decode[0].drafts))
        speculation.learn(step, {0: [*step.decode[0].drafts, 99]})
    assert lengths[0] < lengths[-1] == LONGEST_DRAFT


def test_prompt_lookup_serves_every_wish():
    rows = plan([ALWAYS, ALWAYS]).decode
    rows[0].sequence.tokens[:] = [1, 2, 3, 1, 2]
    assert NgramDrafter().propose([Wish(row.sequence, 2) for row in rows]) == [(3, 1), ()]
