"""The end of a text with `finish_sentence`: at the end of a sentence, beyond the limit if necessary, or cut back."""

import pytest

from inkwell.generation.ending import Ending, Verdict

ENDING = Ending((), keep_stop=False, finish_sentence=True)


@pytest.mark.parametrize(
    ("held", "limit_at", "finish", "told", "verdict"),
    [
        # before the limit: whole sentences are emitted, an incomplete one is held back
        ("One. Tw", None, None, False, Verdict(4)),
        ("One", None, None, False, Verdict(0)),
        ("One.", None, None, False, Verdict(0)),
        # the limit falls on the end of a sentence, or into the white space after it
        ("One. Tw", 4, None, False, Verdict(4, "sentence", sentence="whole")),
        ("One.", 4, "length", False, Verdict(4, "sentence", sentence="whole")),
        ("\n\n", 0, None, True, Verdict(0, "sentence", sentence="whole")),
        # the sentence ends beyond the limit
        ("One two", 3, None, False, Verdict(0)),
        ("One two. Th", 3, None, False, Verdict(8, "sentence", sentence="extended")),
        ("One two.", 3, "length", False, Verdict(8, "sentence", sentence="extended")),
        ("One. Two three. Fo", 8, None, False, Verdict(15, "sentence", sentence="extended")),
        # it does not end in time: cut back to the last whole one, whether emitted before or not
        ("One. Two th", 8, "length", False, Verdict(4, "length", sentence="cut")),
        (" Two th", 4, "length", True, Verdict(0, "length", sentence="cut")),
        # there was no whole sentence: the text keeps the requested length
        ("One two three", 7, "length", False, Verdict(7, "length", sentence="open")),
        # it ended for another reason
        ("One tw", None, "stop", False, Verdict(6, "stop", sentence="whole")),
        ("One tw", None, "timeout", False, Verdict(6, "timeout", sentence="open")),
        ("One tw", 3, "cancelled", True, Verdict(6, "cancelled", sentence="open")),
    ],
)
def test_a_text_ends_with_its_sentence(held: str, limit_at: int | None, finish, told: bool, verdict: Verdict):
    assert ENDING.judge(held, limit_at, finish, told) == verdict


def test_a_stop_string_ends_a_sentence_too():
    ending = Ending(("END",), keep_stop=False, finish_sentence=True)
    assert ending.judge("One. Two END", 2, None, False) == Verdict(9, "stop_sequence", "END")


def test_the_beginning_of_a_stop_string_is_held_back_from_a_whole_sentence():
    ending = Ending((". T",), keep_stop=False, finish_sentence=True)
    assert ending.judge("One. ", None, None, False) == Verdict(3)
    assert ending.judge(". T", None, None, True) == Verdict(0, "stop_sequence", ". T")


def test_without_rules_everything_is_told_at_once():
    ending = Ending((), keep_stop=False, finish_sentence=False)
    assert ending.judge("One tw", None, None, False) == Verdict(6)
    assert ending.judge("", None, "timeout", True) == Verdict(0, "timeout")
