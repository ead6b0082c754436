"""The events of a running generation, from which a dialect builds its reply."""

from dataclasses import dataclass
from typing import Literal

from inkwell.engine.contract import TopTokens

# Why a text ended: the end-of-text token, a stop string, the token limit, the end of a sentence that the limit would
# have cut, the request's timeout, or a cancellation.
Finish = Literal["stop", "stop_sequence", "length", "sentence", "timeout", "cancelled"]


@dataclass(frozen=True, slots=True)
class TextToken:
    """One token of a text or prompt. `offset` counts characters from the beginning of its text.

    `logprob` is None for the first token of a prompt, because it has no context.
    """

    id: int
    data: bytes
    offset: int
    logprob: float | None
    top: TopTokens = ()

    @property
    def text(self) -> str:
        """The token's bytes as text, with U+FFFD in place of a partial character."""
        return self.data.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class TextEvent:
    """The next part of one text. Only its last event has a `finish`.

    `tokens` are those whose first character is in `text`; empty unless log-probabilities were asked for.
    """

    choice: int
    text: str
    finish: Finish | None
    tokens: tuple[TextToken, ...] = ()


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Emitted after a while without other events. Streams write a comment for it, to detect disconnected clients."""
