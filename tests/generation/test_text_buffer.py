"""Decoding tokens: characters of several tokens, trimmed white space, and the offsets of tokens."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkwell.dialects.tokens.token_spans import spans
from inkwell.engine.contract import TokenEvent
from inkwell.generation.events import TextToken
from inkwell.generation.text_buffer import TextBuffer
from inkwell.models.model_store import Model

Emitted = list[tuple[str, tuple[TextToken, ...]]]


def emit_all(model: Model, tokens: Sequence[int], trims: bool = False) -> tuple[TextBuffer, Emitted]:
    """A buffer that was fed the tokens one by one and emitted each character at once, and the emitted text."""
    buffer, found = TextBuffer(model.tokenizer, trims, keeps_tokens=True), []
    for place, token in enumerate(tokens):
        buffer.push(token, TokenEvent(0, token, None, logprob=-float(place + 1)))
        final = place == len(tokens) - 1
        if final:
            buffer.finish()
        found.append(buffer.emit(len(buffer.pending), final))
    assert "".join(text for text, _ in found) == buffer.text
    assert [token for _, tokens in found for token in tokens] == buffer.tokens
    return buffer, [piece for piece in found if piece[0] or piece[1]]


def pieces(model: Model, text: str, trims: bool = False) -> list[str]:
    return [piece for piece, _ in emit_all(model, model.tokenizer.encode(text), trims)[1]]


@given(text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_the_pieces_of_any_text_are_that_text(words: Model, text: str):
    assert "".join(pieces(words, text)) == text


def test_a_character_of_several_tokens_is_emitted_with_the_last_of_them(letters: Model):
    assert pieces(letters, "a😀b")[0:2] == ["a", "😀"]
    assert "".join(pieces(letters, "a😀b")) == "a😀b"


def test_half_a_character_at_the_end_is_a_replacement_mark(letters: Model):
    assert emit_all(letters, letters.tokenizer.encode("a😀")[:3])[0].text == "a\ufffd"


def test_only_as_many_characters_as_were_asked_for_are_emitted(letters: Model):
    buffer = TextBuffer(letters.tokenizer, trims=False, keeps_tokens=True)
    for token in letters.tokenizer.encode("abc "):
        buffer.push(token, TokenEvent(0, token, None, logprob=-1.0))
    text, tokens = buffer.emit(1, final=False)
    assert (text, [token.text for token in tokens]) == ("a", ["a"])
    assert (buffer.pending, buffer.emitted, buffer.stripped_length) == ("bc ", 1, 3)
    text, tokens = buffer.emit(1, final=True)  # the rest is cut off
    assert (text, [token.text for token in tokens], buffer.text) == ("b", ["b"], "ab")


@pytest.mark.parametrize(
    ("text", "emitted"), [("  \n ab c", "ab c"), ("ab", "ab"), (" \n ", ""), ("\u3000x ", "x "), (" 😀", "😀")]
)
def test_white_space_at_the_beginning_can_be_left_out(letters: Model, text: str, emitted: str):
    assert "".join(pieces(letters, text, trims=True)) == emitted


def test_offsets_count_from_where_the_trimmed_text_begins(letters: Model):
    buffer, _ = emit_all(letters, letters.tokenizer.encode("  ab "), trims=True)
    assert [(token.text, token.offset) for token in buffer.tokens] == [
        (" ", 0), (" ", 0), ("a", 0), ("b", 1), (" ", 2)
    ]  # fmt: skip


def test_the_tokens_of_a_character_all_have_its_offset(letters: Model):
    buffer, found = emit_all(letters, letters.tokenizer.encode("a😀b"))
    assert [token.offset for token in buffer.tokens] == [0, 1, 1, 1, 1, 2]
    assert [token.data for token in buffer.tokens] == [b"a", *(bytes([byte]) for byte in "😀".encode()), b"b"]
    assert [token.logprob for token in buffer.tokens] == [-1, -2, -3, -4, -5, -6]
    assert [len(tokens) for _, tokens in found] == [1, 4, 1]


@given(text=st.text("aé世😀 \n", min_size=1, max_size=20))
def test_tokens_of_any_text_have_the_offsets_of_their_spelling(words: Model, text: str):
    tokens = words.tokenizer.encode(text)
    buffer, _ = emit_all(words, tokens)
    assert [token.offset for token in buffer.tokens] == [span.start for span in spans(tokens, words.tokenizer)]
