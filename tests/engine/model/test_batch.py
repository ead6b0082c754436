"""How a ragged batch is split into passes and laid out for the tensors."""

import pytest
import torch

from inkwell.engine.model.batch import Segment, ragged_batch, split_segments
from inkwell.engine.model.linear import MAX_SHARED_ROWS

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
        ([1] * (MAX_SHARED_ROWS + 1), [[1] * MAX_SHARED_ROWS, [1]]),
    ],
)
def test_single_tokens_run_together_and_longer_segments_alone(lengths: list[int], groups: list[list[int]]) -> None:
    segments = [Segment(slot, 3, length) for slot, length in enumerate(lengths)]
    cut = split_segments(segments)
    assert [[segment.length for segment in group] for group in cut] == groups
    assert [segment for group in cut for segment in group] == segments


def test_segments_lie_end_to_end_with_their_slots_and_positions() -> None:
    batch = ragged_batch([Segment(4, 7, 1), Segment(2, 0, 3)], CPU)
    assert batch.slots.tolist() == [4, 2, 2, 2]
    assert batch.positions.tolist() == [7, 0, 1, 2]
    assert [placed.tokens for placed in batch.placed] == [slice(0, 1), slice(1, 4)]


def test_a_later_chunk_sees_its_past_and_itself_up_to_each_token() -> None:
    (placed,) = ragged_batch([Segment(0, 3, 2)], CPU).placed
    assert placed.mask.int().tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]


@pytest.mark.parametrize("segment", [Segment(0, 0, 1), Segment(0, 9, 1), Segment(0, 0, 5)])
def test_a_single_token_and_a_first_chunk_need_no_mask(segment: Segment) -> None:
    assert ragged_batch([segment], CPU).placed[0].mask is None


@pytest.mark.parametrize("numbers", [(-1, 0, 1), (0, -1, 1), (0, 0, 0)])
def test_a_segment_that_cannot_be_is_our_bug(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(AssertionError):
        Segment(*numbers)
