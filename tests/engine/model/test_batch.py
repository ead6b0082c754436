"""How a ragged batch is cut into passes and laid out for the tensors."""

import pytest
import torch

from inkwell.engine.model.batch import groups_of, step_of
from inkwell.engine.model.linear import ROWS_TOGETHER
from inkwell.engine.model.span import Span

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("lengths", "groups"),
    [
        ([1], [[1]]),
        ([1, 1, 1], [[1, 1, 1]]),
        ([5], [[5]]),
        ([5, 7], [[5], [7]]),
        ([5, 1, 1], [[5], [1, 1]]),
        ([1, 1, 5, 1], [[1, 1], [5], [1]]),
        ([1] * (ROWS_TOGETHER + 1), [[1] * ROWS_TOGETHER, [1]]),
    ],
)
def test_single_tokens_run_together_and_longer_spans_alone(lengths: list[int], groups: list[list[int]]) -> None:
    spans = [Span(slot, 3, length) for slot, length in enumerate(lengths)]
    cut = groups_of(spans)
    assert [[span.length for span in group] for group in cut] == groups
    assert [span for group in cut for span in group] == spans


def test_spans_lie_end_to_end_with_their_slots_and_positions() -> None:
    step = step_of([Span(4, 7, 1), Span(2, 0, 3)], CPU)
    assert step.slots.tolist() == [4, 2, 2, 2]
    assert step.positions.tolist() == [7, 0, 1, 2]
    assert [row.tokens for row in step.rows] == [slice(0, 1), slice(1, 4)]


def test_a_later_chunk_sees_its_past_and_itself_up_to_each_token() -> None:
    (row,) = step_of([Span(0, 3, 2)], CPU).rows
    assert row.mask.int().tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]


@pytest.mark.parametrize("span", [Span(0, 0, 1), Span(0, 9, 1), Span(0, 0, 5)])
def test_a_single_token_and_a_first_chunk_need_no_mask(span: Span) -> None:
    assert step_of([span], CPU).rows[0].mask is None


@pytest.mark.parametrize("numbers", [(-1, 0, 1), (0, -1, 1), (0, 0, 0)])
def test_a_span_that_cannot_be_is_our_bug(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(AssertionError):
        Span(*numbers)
