"""One text while it is generated: how it ends, and what it reports on its prompt."""

import pytest

from inkwell.engine.contract import PromptEvent, TokenEvent
from inkwell.models.model_store import Model
from tests.generation.texts import choice_of, choices_for, feed, request_of

SENTENCES = {"finish_sentence": True, "sentence_grace_tokens": 8}


def texts(model: Model, text: str, finish: str = "length", **wanted: object) -> tuple[list[str], str]:
    """The emitted parts and the finish reason of a text whose tokens are those of `text`."""
    tokens = model.tokenizer.encode(text)
    choice = choice_of(model, **{"length": len(tokens)} | wanted)
    emitted = feed(choice, tokens, finish)
    assert "".join(event.text for event in emitted) == choice.text
    assert [event.finish for event in emitted] == [None] * (len(emitted) - 1) + [choice.finish]
    return [event.text for event in emitted], str(choice.finish)


def test_an_end_without_a_token_is_emitted(letters: Model):
    choice = choice_of(letters, length=3)
    event = choice.take(TokenEvent(0, None, "stop", cached_tokens=5))
    assert (event.text, event.finish, choice.generated, choice.prompt.cached_tokens) == ("", "stop", 0, 5)


def test_a_stop_string_ends_a_text_in_the_middle_of_a_token(words: Model):
    tokens = words.tokenizer.encode(" once upon a time")
    choice = choice_of(words, length=9, stop=("pon a",), logprobs=0)
    emitted = feed(choice, tokens)
    assert (choice.text, choice.finish, choice.stop) == (" once u", "stop_sequence", "pon a")
    assert choice.generated < len(tokens)
    assert [token.text for token in choice.tokens] == [" once", " upon"]
    assert [token for event in emitted for token in event.tokens] == choice.tokens


def test_the_first_stop_string_can_be_kept(words: Model):
    pieces, finish = texts(words, "one END two", stop=("END", "two"), keep_stop=True)
    assert ("".join(pieces), finish) == ("one END", "stop_sequence")


@pytest.mark.parametrize(
    ("text", "length", "emitted", "finish", "sentence"),
    [
        ("ab. cdef", 3, "ab.", "sentence", "whole"),
        ("ab.\n\n\n\ncd", 7, "ab.", "sentence", "whole"),
        ("ab. cdef. g", 5, "ab. cdef.", "sentence", "extended"),
        ("ab. cdefghijklm", 7, "ab.", "length", "cut"),
        ("abcdefghijklmno", 7, "abcdefg", "length", "open"),
    ],
)
def test_a_sentence_is_finished_or_cut_back(
    letters: Model, text: str, length: int, emitted: str, finish: str, sentence: str
):
    choice = choice_of(letters, length=length, **SENTENCES)
    assert choice.first_job.max_tokens == length + SENTENCES["sentence_grace_tokens"]
    feed(choice, letters.tokenizer.encode(text)[: length + SENTENCES["sentence_grace_tokens"]])
    assert (choice.text, choice.finish, choice.sentence) == (emitted, finish, sentence)


def test_where_the_context_leaves_no_grace_the_sentence_is_cut(letters: Model):
    choice = choice_of(letters, "a" * 6, length=10, **SENTENCES)
    assert choice.first_job.max_tokens == 10
    feed(choice, letters.tokenizer.encode("ab. cd ef gh")[:10])
    assert (choice.text, choice.finish, choice.sentence) == ("ab.", "length", "cut")


def test_the_likelihood_of_a_text_counts_tokens_that_are_not_emitted(letters: Model):
    choice = choice_of(letters, length=3)
    feed(choice, letters.tokenizer.encode("abc"))
    assert choice.logprob == -6.0 and choice.tokens == []


def test_only_the_first_text_of_a_prompt_reports_the_prompt(letters: Model):
    first, second = choices_for(request_of("ab", length=3, nsamples=2, prompt_logprobs=0), letters)
    assert first.prompt is second.prompt
    assert [choice.first_job.prompt_logprobs for choice in (first, second)] == [0, None]
    second.take(TokenEvent(0, None, "stop", cached_tokens=9))
    first.take(PromptEvent(0, 1, (-0.5,), ((),)))
    first.take(TokenEvent(0, None, "stop", cached_tokens=1))
    assert first.prompt.cached_tokens == 1
    assert [token.logprob for token in second.prompt.text_tokens()] == [None, -0.5]
