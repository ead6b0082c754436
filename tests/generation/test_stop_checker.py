"""Where a text ends, and which part stays pending until then: stop strings and whole sentences."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inkwell.generation.events import Finish
from inkwell.generation.stop_checker import Match, StopChecker, StopDecision, find_stop, partial_stop, sentence_ends

letters = st.text("ab", max_size=30)
stop_lists = st.lists(st.text("ab", min_size=1, max_size=4), max_size=4).map(tuple)
cuts = st.sets(st.integers(0, 30))
WITH_SENTENCES = StopChecker((), keep_stop=False, finish_sentence=True)


def pieces_of(text: str, borders: set[int]) -> list[str]:
    places = [0, *sorted(border for border in borders if border < len(text)), len(text)]
    return [text[begin:end] for begin, end in zip(places, places[1:], strict=False)]


def emitted_pieces(pieces: list[str], stops: tuple[str, ...], keep_stop: bool = False) -> tuple[list[str], str | None]:
    """The text emitted after each piece, of which the last ends the text, and the stop string, if any."""
    checker, pending, emitted = StopChecker(stops, keep_stop, finish_sentence=False), "", []
    for number, piece in enumerate(pieces):
        pending += piece
        finish: Finish | None = "length" if number == len(pieces) - 1 else None
        decision = checker.check(pending, None, finish, emitted=bool(emitted))
        emitted.append(pending[: decision.emit])
        pending = pending[decision.emit :]
        if decision.finish:
            return emitted, decision.stop
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
    emitted, found = emitted_pieces(pieces_of(text, borders), stops, keep_stop)
    assert "".join(emitted) == text[: end if keep_stop else start]
    assert found == stop


@given(letters, stop_lists, cuts)
def test_no_character_of_the_stop_string_is_ever_emitted(text: str, stops: tuple[str, ...], borders: set[int]):
    start, _, _ = plain_search(text, stops)
    emitted, _ = emitted_pieces(pieces_of(text, borders), stops)
    sizes = [sum(map(len, emitted[:count])) for count in range(len(emitted) + 1)]
    assert all(size <= start for size in sizes)


@given(letters, stop_lists)
def test_no_more_is_held_back_than_might_begin_a_stop_string(text: str, stops: tuple[str, ...]):
    if find_stop(text, stops) is None:
        pending = partial_stop(text, stops)
        assert pending == 0 or any(stop.startswith(text[-pending:]) and len(stop) > pending for stop in stops)
        longer = range(pending + 1, len(text) + 1)
        assert not any(stop.startswith(text[-length:]) for stop in stops for length in longer)


@pytest.mark.parametrize(
    ("text", "stops", "match"),
    [
        ("one two", ("three",), None),
        ("one two", (), None),
        ("", ("a",), None),
        ("one two", ("two", "one"), Match(0, 3, "one")),
        ("abc", ("abc", "ab"), Match(0, 2, "ab")),  # whole first
        ("abc", ("bc", "abc"), Match(0, 3, "abc")),  # the longest that ends there
        ("aaa", ("aa",), Match(0, 2, "aa")),
        ("x\n\ny", ("\n\n",), Match(1, 3, "\n\n")),
        ("😀é", ("é",), Match(1, 2, "é")),
    ],
)
def test_the_stop_string_that_is_whole_first_is_found(text: str, stops: tuple[str, ...], match: Match | None):
    assert find_stop(text, stops) == match


def test_a_beginning_stays_pending_and_is_emitted_when_it_goes_on_otherwise():
    assert emitted_pieces(["one E", "N", "T two", ""], ("END",)) == (["one ", "", "ENT two", ""], None)


def test_a_beginning_that_the_text_ends_with_is_emitted_at_the_end():
    assert emitted_pieces(["one EN"], ("END",)) == (["one EN"], None)


def test_a_stop_string_over_three_pieces_is_found():
    assert emitted_pieces(["one E", "N", "D two"], ("END",)) == (["one ", "", ""], "END")
    assert emitted_pieces(["one E", "N", "D two"], ("END",), keep_stop=True) == (["one ", "", "END"], "END")


@pytest.mark.parametrize(
    ("pending", "limit_at", "finish", "emitted", "decision"),
    [
        # before the limit: whole sentences are emitted, an incomplete one stays pending
        ("One. Tw", None, None, False, StopDecision(4)),
        ("One", None, None, False, StopDecision(0)),
        ("One.", None, None, False, StopDecision(0)),
        # the limit falls on the end of a sentence, or into the white space after it
        ("One. Tw", 4, None, False, StopDecision(4, "sentence", sentence="whole")),
        ("One.", 4, "length", False, StopDecision(4, "sentence", sentence="whole")),
        ("\n\n", 0, None, True, StopDecision(0, "sentence", sentence="whole")),
        # the sentence ends beyond the limit
        ("One two", 3, None, False, StopDecision(0)),
        ("One two. Th", 3, None, False, StopDecision(8, "sentence", sentence="extended")),
        ("One two.", 3, "length", False, StopDecision(8, "sentence", sentence="extended")),
        ("One. Two three. Fo", 8, None, False, StopDecision(15, "sentence", sentence="extended")),
        # the sentence exceeds the grace tokens: cut after the last whole one, emitted or not
        ("One. Two th", 8, "length", False, StopDecision(4, "length", sentence="cut")),
        (" Two th", 4, "length", True, StopDecision(0, "length", sentence="cut")),
        # there was no whole sentence: the text keeps the requested length
        ("One two three", 7, "length", False, StopDecision(7, "length", sentence="open")),
        # it ended for another reason
        ("One tw", None, "stop", False, StopDecision(6, "stop", sentence="whole")),
        ("One tw", None, "timeout", False, StopDecision(6, "timeout", sentence="open")),
        ("One tw", 3, "cancelled", True, StopDecision(6, "cancelled", sentence="open")),
    ],
)
def test_a_text_ends_with_its_sentence(
    pending: str, limit_at: int | None, finish: Finish | None, emitted: bool, decision: StopDecision
):
    assert WITH_SENTENCES.check(pending, limit_at, finish, emitted) == decision


def test_a_stop_string_ends_a_sentence_too():
    checker = StopChecker(("END",), keep_stop=False, finish_sentence=True)
    assert checker.check("One. Two END", 2, None, False) == StopDecision(9, "stop_sequence", "END")


def test_the_beginning_of_a_stop_string_is_held_back_from_a_whole_sentence():
    checker = StopChecker((". T",), keep_stop=False, finish_sentence=True)
    assert checker.check("One. ", None, None, False) == StopDecision(3)
    assert checker.check(". T", None, None, True) == StopDecision(0, "stop_sequence", ". T")


def test_without_rules_everything_is_emitted_at_once():
    checker = StopChecker((), keep_stop=False, finish_sentence=False)
    assert checker.check("One tw", None, None, False) == StopDecision(6)
    assert checker.check("", None, "timeout", True) == StopDecision(0, "timeout")


def sentences(text: str, final: bool = True) -> list[str]:
    ends = sentence_ends(text, final)
    return [text[begin:end].strip() for begin, end in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("He came. She saw! Did it win? Yes…", ["He came.", "She saw!", "Did it win?", "Yes…"]),
        ("It is 3.14 or so. And v2.0", ["It is 3.14 or so."]),
        ("'Go!' he said. \"Now.\" (They did.) [All.]", ["'Go!'", "he said.", '"Now."', "(They did.)", "[All.]"]),
        ("“Go.” “Stay.”", ["“Go.”", "“Stay.”"]),
        ("What?! No...", ["What?!", "No..."]),
        ("Mr. Fox and Mrs. Fox met Dr. J. Smith. Good.", ["Mr. Fox and Mrs. Fox met Dr. J. Smith.", "Good."]),
        ("Apples, pears, etc. are fruit, e.g. here.", ["Apples, pears, etc. are fruit, e.g. here."]),
        ("A title\n\nA verse\n \nAnd more", ["A title", "A verse"]),
        ("one line\nand the next", []),
        ("no end", []),
        ("", []),
        (" \n\n ", []),
    ],
)
def test_sentences_end_with_a_mark_or_before_a_blank_line(text: str, found: list[str]):
    assert sentences(text) == found


def test_a_mark_at_the_very_end_waits_for_what_comes_unless_the_text_is_final():
    assert sentence_ends("One. Two.", final=False) == [4]
    assert sentence_ends("One. Two.", final=True) == [4, 9]
    assert sentence_ends("One. Two. ", final=False) == [4, 9]


@given(st.text('aB.!" \n1', max_size=40))
def test_the_end_of_a_text_stays_its_end_when_it_grows(text: str):
    final = sentence_ends(text, final=True)
    assert final == sorted(set(final)) and all(0 < end <= len(text) for end in final)
    assert set(sentence_ends(text, final=False)) <= set(final)
    for size in range(len(text)):
        assert set(sentence_ends(text[:size], final=False)) <= set(final)
