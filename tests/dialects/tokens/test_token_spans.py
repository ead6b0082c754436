"""Positions of tokens in their text, including characters that span several tokens."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkwell.checkpoints.tokenizer import TextTokenizer, load_tokenizer
from inkwell.dialects.tokens.token_spans import spans

DEMO = Path(__file__).resolve().parents[3] / "models" / "demo"


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return load_tokenizer(DEMO)


def test_a_character_of_four_bytes_belongs_to_each_of_its_tokens(tokenizer: TextTokenizer):
    found = spans(tokenizer.encode("a😀b"), tokenizer)
    assert [(each.text, each.start, each.stop) for each in found] == [
        ("a", 0, 1), *[("😀", 1, 2)] * 4, ("b", 2, 3)
    ]  # fmt: skip


@given(text=st.text())
def test_spans_cover_the_text_without_a_gap(tokenizer: TextTokenizer, text: str):
    found = spans(tokenizer.encode(text), tokenizer)
    assert all(text[each.start : each.stop] == each.text and each.text for each in found)
    covered = 0
    for each in found:
        assert each.start in (covered, covered - 1)
        covered = each.stop
    assert covered == len(text)


@pytest.mark.parametrize("tokens", [[], [0], [223, 173]])
def test_any_ids_have_spans(tokenizer: TextTokenizer, tokens: list[int]):
    assert [each.id for each in spans(tokens, tokenizer)] == tokens
