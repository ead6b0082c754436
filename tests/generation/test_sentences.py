"""Detection of sentence ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkwell.generation.sentences import sentence_ends


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
def test_what_a_growing_text_was_told_to_end_with_stays_an_end(text: str):
    final = sentence_ends(text, final=True)
    assert final == sorted(set(final)) and all(0 < end <= len(text) for end in final)
    assert set(sentence_ends(text, final=False)) <= set(final)
    for size in range(len(text)):
        assert set(sentence_ends(text[:size], final=False)) <= set(final)
