"""Where tokens stand in the text that they spell together."""

from collections.abc import Sequence
from dataclasses import dataclass

from inkwell.checkpoints.tokenizer import TextTokenizer

CONTINUES = 0b1000_0000  # the two highest bits of a byte of UTF-8 that does not begin a character
HIGHEST_TWO = 0b1100_0000


@dataclass(frozen=True, slots=True)
class Span:
    """A token and the characters that it has a part in, from `start` up to `stop`, and these characters."""

    token: int
    start: int
    stop: int
    text: str


def spans(tokens: Sequence[int], tokenizer: TextTokenizer) -> list[Span]:
    """The places of tokens; those that share a character of several bytes overlap there."""
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
        found.append(Span(token, start, stop, text[start:stop]))
        place = end
    return found
