"""One growing text: its chunks, its end, omitted white space, and the positions of its tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkwell.dialects.tokens.token_spans import spans
from inkwell.engine.contract import PromptEvent, TokenEvent
from inkwell.models.model_store import Model
from tests.generation.texts import choice_of, feed

SENTENCES = {"finish_sentence": True, "sentence_grace_tokens": 8}


def texts(model: Model, text: str, finish: str = "length", **wanted: object) -> tuple[list[str], str]:
    """The told pieces and the reason of a text whose tokens are those of `text`."""
    tokens = model.tokenizer.encode(text)
    choice = choice_of(model, **{"length": len(tokens)} | wanted)
    told = feed(choice, tokens, finish)
    assert "".join(event.text for event in told) == choice.text
    assert [event.finish for event in told] == [None] * (len(told) - 1) + [choice.finish]
    return [event.text for event in told], str(choice.finish)


@given(text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_the_pieces_of_any_text_are_that_text(words: Model, text: str):
    pieces, finish = texts(words, text)
    assert "".join(pieces) == text and finish == "length"


def test_a_character_of_several_tokens_is_told_with_the_last_of_them(letters: Model):
    assert texts(letters, "a😀b")[0] == ["a", "😀", "b"]


def test_half_a_character_at_the_end_is_a_replacement_mark(letters: Model):
    choice = choice_of(letters, length=3)
    assert [event.text for event in feed(choice, letters.tokenizer.encode("a😀")[:3])] == ["a", "\ufffd"]


def test_an_end_without_a_token_is_told(letters: Model):
    choice = choice_of(letters, length=3)
    event = choice.take(TokenEvent(0, None, "stop", cached_tokens=5, queue_s=0.25))
    assert (event.text, event.finish, choice.generated) == ("", "stop", 0)
    assert (choice.cached_tokens, choice.queue_s) == (5, 0.25)


def test_a_stop_string_ends_a_text_in_the_middle_of_a_token(words: Model):
    tokens = words.tokenizer.encode(" once upon a time")
    choice = choice_of(words, length=9, stop=("pon a",), logprobs=0)
    told = feed(choice, tokens)
    assert (choice.text, choice.finish, choice.stop) == (" once u", "stop_sequence", "pon a")
    assert choice.generated < len(tokens)
    assert [token.text for token in choice.tokens] == [" once", " upon"]
    assert [token for event in told for token in event.tokens] == choice.tokens


def test_the_first_stop_string_can_be_kept(words: Model):
    pieces, finish = texts(words, "one END two", stop=("END", "two"), keep_stop=True)
    assert ("".join(pieces), finish) == ("one END", "stop_sequence")


@pytest.mark.parametrize(
    ("text", "length", "told", "finish", "sentence"),
    [
        ("ab. cdef", 3, "ab.", "sentence", "whole"),
        ("ab.\n\n\n\ncd", 7, "ab.", "sentence", "whole"),
        ("ab. cdef. g", 5, "ab. cdef.", "sentence", "extended"),
        ("ab. cdefghijklm", 7, "ab.", "length", "cut"),
        ("abcdefghijklmno", 7, "abcdefg", "length", "open"),
    ],
)
def test_a_sentence_is_finished_or_cut_back(
    letters: Model, text: str, length: int, told: str, finish: str, sentence: str
):
    choice = choice_of(letters, length=length, **SENTENCES)
    assert choice.first_job.max_tokens == length + SENTENCES["sentence_grace_tokens"]
    feed(choice, letters.tokenizer.encode(text)[: length + SENTENCES["sentence_grace_tokens"]])
    assert (choice.text, choice.finish, choice.sentence) == (told, finish, sentence)


def test_where_the_context_leaves_no_grace_the_sentence_is_cut(letters: Model):
    choice = choice_of(letters, "a" * 6, length=10, **SENTENCES)
    assert choice.first_job.max_tokens == 10
    feed(choice, letters.tokenizer.encode("ab. cd ef gh")[:10])
    assert (choice.text, choice.finish, choice.sentence) == ("ab.", "length", "cut")


@pytest.mark.parametrize(
    ("text", "told"), [("  \n ab c", "ab c"), ("ab", "ab"), (" \n ", ""), ("\u3000x ", "x "), (" 😀", "😀")]
)
def test_white_space_at_the_beginning_can_be_left_out(letters: Model, text: str, told: str):
    pieces, _ = texts(letters, text, trim_start=True)
    assert "".join(pieces) == told and "" not in pieces[:-1]


def test_offsets_count_from_where_the_trimmed_text_begins(letters: Model):
    choice = choice_of(letters, length=5, trim_start=True, logprobs=0)
    feed(choice, letters.tokenizer.encode("  ab "))
    assert [(token.text, token.offset) for token in choice.tokens] == [
        (" ", 0), (" ", 0), ("a", 0), ("b", 1), (" ", 2)
    ]  # fmt: skip


def test_the_tokens_of_a_character_all_stand_where_it_begins(letters: Model):
    choice = choice_of(letters, length=6, logprobs=0)
    told = feed(choice, letters.tokenizer.encode("a😀b"))
    assert [token.offset for token in choice.tokens] == [0, 1, 1, 1, 1, 2]
    assert [token.data for token in choice.tokens] == [b"a", *(bytes([byte]) for byte in "😀".encode()), b"b"]
    assert [token.logprob for token in choice.tokens] == [-1, -2, -3, -4, -5, -6]
    assert [len(event.tokens) for event in told] == [1, 4, 1]


@given(text=st.text("aé世😀 \n", min_size=1, max_size=20))
def test_tokens_of_any_text_stand_where_they_are_spelled(words: Model, text: str):
    tokens = words.tokenizer.encode(text)
    choice = choice_of(words, length=len(tokens), logprobs=0, prompt_logprobs=0)
    feed(choice, tokens)
    assert [token.offset for token in choice.tokens] == [span.start for span in spans(tokens, words.tokenizer)]
    prompt = choice_of(words, text, length=1, prompt_logprobs=0).prompt_tokens()
    assert [(token.id, token.offset) for token in prompt] == [(token.id, token.offset) for token in choice.tokens]


def test_the_prompt_is_told_with_what_came_of_it(letters: Model):
    choice = choice_of(letters, "abc", length=1, prompt_logprobs=1)
    choice.note_prompt(PromptEvent(0, 1, (-0.5,), (((7, -0.25),),)))
    choice.note_prompt(PromptEvent(0, 2, (-1.5,), ((),)))
    assert choice.prompt_text == "abc"
    told = [(token.text, token.offset, token.logprob, token.top) for token in choice.prompt_tokens()]
    assert told == [("a", 0, None, ()), ("b", 1, -0.5, ((7, -0.25),)), ("c", 2, -1.5, ())]


def test_the_likelihood_of_a_text_counts_tokens_that_nobody_is_told(letters: Model):
    choice = choice_of(letters, length=3)
    feed(choice, letters.tokenizer.encode("abc"))
    assert choice.logprob == -6.0 and choice.tokens == []
