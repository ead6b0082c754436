"""Choices of completions without a service: the notation of tokens, and the order of choices in a stream."""

from types import SimpleNamespace
from typing import get_args

import pytest

from inkwell.dialects.openai.completion_reply import CompletionReply, logprobs, token_text
from inkwell.dialects.openai.reply import REASONS, ReplyOptions
from inkwell.generation import Finish, TextEvent, TextToken


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b" a", " a"),
        ("é".encode(), "é"),
        (b"\xf0\x9f", "bytes:\\xf0\\x9f"),
        (b"a\xc3", "bytes:\\x61\\xc3"),
        (b"", ""),
    ],
)
def test_a_token_is_written_as_text_or_as_its_bytes(data: bytes, text: str):
    assert token_text(data) == text


def test_of_two_tokens_that_are_written_alike_the_chosen_one_counts():
    token = TextToken(2, b"", 0, -3.0, ((1, -1.0), (0, -2.0)))
    assert logprobs([token], {0: b"a", 1: b""}.__getitem__)["top_logprobs"] == [{"": -3.0, "a": -2.0}]


def test_every_native_reason_has_a_word_of_openai_s():
    assert REASONS.keys() == set(get_args(Finish)) and set(REASONS.values()) == {"stop", "length"}


def prompt(number: int) -> SimpleNamespace:
    return SimpleNamespace(number=number, text="p", text_tokens=lambda: [TextToken(0, b"p", 0, None)])


def choice(number: int, prompt: SimpleNamespace, first: bool) -> SimpleNamespace:
    return SimpleNamespace(number=number, prompt=prompt, first=first, finish="length")


def reply(echo: bool, wants_logprobs: bool) -> CompletionReply:
    """A stream of two prompts with two texts each."""
    prompts = [prompt(0), prompt(1)]
    choices = [choice(number, prompts[number // 2], first=number % 2 == 0) for number in range(4)]
    generation = SimpleNamespace(task=SimpleNamespace(echo=echo), choices=choices)
    return CompletionReply(generation, ReplyOptions(None, True, wants_logprobs))


def pieces_of(made: CompletionReply, *numbers: int) -> list[list[tuple[int, str]]]:
    events = [TextEvent(number, "x", None) for number in numbers]
    return [[(piece["index"], piece["text"]) for piece in made.pieces(event)] for event in events]


def test_an_echo_with_logprobs_waits_for_the_first_text_of_its_own_prompt():
    assert pieces_of(reply(True, True), 1, 3, 1, 0, 1, 2, 3) == [
        [],
        [],
        [],
        [(0, "px"), (1, "px"), (1, "x")],
        [(1, "x")],
        [(2, "px"), (3, "px")],
        [(3, "x")],
    ]


@pytest.mark.parametrize(
    ("echo", "wants_logprobs", "text"), [(True, False, "px"), (False, True, "x"), (False, False, "x")]
)
def test_others_wait_for_nobody(echo: bool, wants_logprobs: bool, text: str):
    assert pieces_of(reply(echo, wants_logprobs), 3, 1, 3) == [[(3, text)], [(1, text)], [(3, "x")]]
