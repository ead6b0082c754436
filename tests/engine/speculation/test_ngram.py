"""Prompt lookup: what is found, how much is drafted, and that an index extended with its text equals a new one."""

from hypothesis import given
from hypothesis import strategies as st

from inkwell.engine.speculation.ngram import NgramIndex


def test_what_followed_the_same_tokens_last_time_is_drafted():
    assert NgramIndex().draft([1, 2, 3, 4, 5, 9, 2, 3], 3) == (4, 5, 9)


def test_the_latest_place_counts():
    assert NgramIndex().draft([1, 2, 7, 0, 1, 2, 8, 0, 1, 2], 1) == (8,)


def test_more_tokens_in_common_count_more_than_a_later_place():
    assert NgramIndex().draft([1, 2, 3, 7, 0, 2, 3, 8, 1, 2, 3], 1) == (7,)


def test_one_token_in_common_is_no_reason():
    assert NgramIndex().draft([1, 5, 2, 1], 4) == ()


def test_a_loop_is_drafted_past_the_end_of_the_text():
    assert NgramIndex().draft([1, 2, 1, 2, 1, 2], 5) == (1, 2, 1, 2, 1)
    assert NgramIndex().draft([4, 4, 4], 3) == (4, 4, 4)


def test_texts_too_short_to_repeat_anything_give_nothing():
    assert [NgramIndex().draft(tokens, 4) for tokens in ([], [1], [1, 1])] == [(), (), ()]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.lists(st.integers(1, 40), max_size=6))
def test_an_index_that_grew_with_its_text_gives_what_a_new_one_gives(tokens, stops):
    index = NgramIndex()
    for stop in sorted(stops):
        index.draft(tokens[:stop], 4)
    assert index.draft(tokens, 4) == NgramIndex().draft(tokens, 4)
