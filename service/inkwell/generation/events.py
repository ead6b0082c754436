"""What a running generation gives to whoever shapes a reply."""

from dataclasses import dataclass
from typing import Literal

# Why a text ended: the end-of-text token, a stop string, the limit, the end of a sentence that the limit would have
# cut, the request's time, or somebody's wish.
Finish = Literal["stop", "stop_sequence", "length", "sentence", "timeout", "cancelled"]
Likeliest = tuple[tuple[int, float], ...]  # (token id, log-probability)


@dataclass(frozen=True, slots=True)
class TextToken:
    """One token of a text or prompt. `offset` counts characters from where its text begins.

    `logprob` is None for the first token of a prompt, which nothing precedes.
    """

    id: int
    data: bytes
    offset: int
    logprob: float | None
    top: Likeliest = ()

    @property
    def text(self) -> str:
        """Its bytes as text, U+FFFD where it holds but a part of a character."""
        return self.data.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class TextEvent:
    """More of one text; `finish` is set on its last event and on no other.

    `tokens` are those whose characters are in `text`, told when log-probabilities were asked for.
    """

    choice: int
    text: str
    finish: Finish | None
    tokens: tuple[TextToken, ...] = ()


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Nothing happened for a while; a stream says so to find out whether its client is still there."""
