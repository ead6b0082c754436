"""Stop strings in a growing text: where it ends, what is held back, and for how long."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inkwell.generation.ending import Ending
from inkwell.generation.stops import Cut, find_stop, held_back

letters = st.text("ab", max_size=30)
stop_lists = st.lists(st.text("ab", min_size=1, max_size=4), max_size=4).map(tuple)
cuts = st.sets(st.integers(0, 30))


def pieces_of(text: str, borders: set[int]) -> list[str]:
    places = [0, *sorted(border for border in borders if border < len(text)), len(text)]
    return [text[begin:end] for begin, end in zip(places, places[1:], strict=False)]


def told_pieces(pieces: list[str], stops: tuple[str, ...], keep_stop: bool = False) -> tuple[list[str], str | None]:
    """What is told after each piece, as a text that ends behind the last of them; and the stop string, if any."""
    ending, held, told = Ending(stops, keep_stop, finish_sentence=False), "", []
    for number, piece in enumerate(pieces):
        held += piece
        verdict = ending.judge(held, None, "length" if number == len(pieces) - 1 else None, told=bool(told))
        told.append(held[: verdict.tell])
        held = held[verdict.tell :]
        if verdict.finish:
            return told, verdict.stop
    raise AssertionError("the last piece ends every text")


def plain_search(text: str, stops: tuple[str, ...]) -> tuple[int, int, str | None]:
    """The slow oracle: read one character at a time until the text ends with a stop string."""
    for end in range(1, len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            longest = max(found, key=len)
            return end - len(longest), end, longest
    return len(text), len(text), None


@given(letters, stop_lists, cuts, st.booleans())
@example("abc", ("abcd", "bc"), {1, 2}, False)
@example("abab", ("ab", "aba"), {2}, True)
def test_however_a_text_is_cut_into_pieces_it_ends_where_a_plain_search_ends_it(
    text: str, stops: tuple[str, ...], borders: set[int], keep_stop: bool
):
    start, end, stop = plain_search(text, stops)
    told, found = told_pieces(pieces_of(text, borders), stops, keep_stop)
    assert "".join(told) == text[: end if keep_stop else start]
    assert found == stop


@given(letters, stop_lists, cuts)
def test_no_character_of_the_stop_string_is_ever_told(text: str, stops: tuple[str, ...], borders: set[int]):
    start, _, _ = plain_search(text, stops)
    told, _ = told_pieces(pieces_of(text, borders), stops)
    sizes = [sum(map(len, told[:count])) for count in range(len(told) + 1)]
    assert all(size <= start for size in sizes)


@given(letters, stop_lists)
def test_no_more_is_held_back_than_might_begin_a_stop_string(text: str, stops: tuple[str, ...]):
    if find_stop(text, stops) is None:
        held = held_back(text, stops)
        assert held == 0 or any(stop.startswith(text[-held:]) and len(stop) > held for stop in stops)
        longer = range(held + 1, len(text) + 1)
        assert not any(stop.startswith(text[-length:]) for stop in stops for length in longer)


@pytest.mark.parametrize(
    ("text", "stops", "cut"),
    [
        ("one two", ("three",), None),
        ("one two", (), None),
        ("", ("a",), None),
        ("one two", ("two", "one"), Cut(0, 3, "one")),
        ("abc", ("abc", "ab"), Cut(0, 2, "ab")),  # whole first
        ("abc", ("bc", "abc"), Cut(0, 3, "abc")),  # the longest that ends there
        ("aaa", ("aa",), Cut(0, 2, "aa")),
        ("x\n\ny", ("\n\n",), Cut(1, 3, "\n\n")),
        ("😀é", ("é",), Cut(1, 2, "é")),
    ],
)
def test_the_stop_string_that_is_whole_first_is_found(text: str, stops: tuple[str, ...], cut: Cut | None):
    assert find_stop(text, stops) == cut


def test_a_beginning_is_held_back_and_told_when_it_goes_on_otherwise():
    assert told_pieces(["one E", "N", "T two", ""], ("END",)) == (["one ", "", "ENT two", ""], None)


def test_a_beginning_that_the_text_ends_with_is_told_at_the_end():
    assert told_pieces(["one EN"], ("END",)) == (["one EN"], None)


def test_a_stop_string_over_three_pieces_is_found():
    assert told_pieces(["one E", "N", "D two"], ("END",)) == (["one ", "", ""], "END")
    assert told_pieces(["one E", "N", "D two"], ("END",), keep_stop=True) == (["one ", "", "END"], "END")
