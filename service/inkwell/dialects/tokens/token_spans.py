"""The place of each token in the text that the tokens spell together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from inkwell.checkpoints.tokenizer import TextTokenizer

CONTINUES = 0b1000_0000  # the two highest bits of a byte that continues a character in UTF-8
HIGHEST_TWO = 0b1100_0000


@dataclass(frozen=True, slots=True)
class Span:
    """A token and its characters, from `start` up to `stop`. The notes of the fields go into the OpenAPI document."""

    id: int
    text: Annotated[str, "The characters of the token. A character of several tokens is in the text of each."]
    start: Annotated[int, "Number of characters before it."]
    stop: int


def spans(tokens: Sequence[int], tokenizer: TextTokenizer) -> list[Span]:
    """The spans of tokens; those that share a character of several bytes overlap there."""
    spellings = [tokenizer.spelling(token) for token in tokens]
    data = b"".join(spellings)
    text = data.decode(errors="replace")
    begun, counts = 0, [0]  # characters that begin before each byte
    for byte in data:
        begun += byte & HIGHEST_TWO != CONTINUES
        counts.append(begun)
    found: list[Span] = []
    place = 0
    for token, spelling in zip(tokens, spellings, strict=True):
        end = place + len(spelling)
        start, stop = (counts[place + 1] - 1, counts[end]) if spelling else (counts[place],) * 2
        found.append(Span(token, text[start:stop], start, stop))
        place = end
    return found
