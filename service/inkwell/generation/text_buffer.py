"""Decodes generated tokens into text, which is pending until it is emitted.

Text never ends within a character, and each token has the offset of its first character. Knows no stop conditions.
"""

from dataclasses import replace

from inkwell.checkpoints.tokenizer import TextTokenizer
from inkwell.engine.contract import TokenEvent
from inkwell.generation.events import TextToken


class TextBuffer:
    """One text. `trims` removes white space from its start; `keeps_tokens` collects its tokens."""

    def __init__(self, tokenizer: TextTokenizer, trims: bool, keeps_tokens: bool) -> None:
        self.text = ""  # the emitted text, without trimmed characters
        self.tokens: list[TextToken] = []  # the tokens of `text`
        self.pending = ""
        self.emitted = 0  # number of characters, including trimmed ones
        self._tokenizer = tokenizer
        self._decoder = tokenizer.decoder()
        self._trims = trims
        self._trimmed = 0
        self._keeps_tokens = keeps_tokens
        self._pending_tokens: list[TextToken] = []

    @property
    def stripped_length(self) -> int:
        """Number of characters so far, including pending ones but without pending white space at the end."""
        return self.emitted + len(self.pending.rstrip())

    def push(self, token: int, event: TokenEvent) -> None:
        """Decode the token of an event."""
        if self._keeps_tokens:
            offset = self.emitted + len(self.pending)
            self._pending_tokens.append(
                TextToken(token, self._tokenizer.spelling(token), offset, event.logprob, event.top)
            )
        self.pending += self._decoder.push(token)

    def finish(self) -> None:
        """End decoding: a partial character at the end becomes U+FFFD."""
        self.pending += self._decoder.finish()

    def emit(self, characters: int, final: bool) -> tuple[str, tuple[TextToken, ...]]:
        """Emit this many pending characters, and the tokens that begin in them.

        A `final` call that leaves nothing pending also emits tokens without characters at the end of the text.
        """
        text, self.pending = self.pending[:characters], self.pending[characters:]
        self.emitted += characters
        if self._trims and not self.text:
            self._trimmed += len(text) - len(text.lstrip())
            text = text.lstrip()
        tokens = self._emitted_tokens(all_of_them=final and not self.pending)
        self.text += text
        self.tokens += tokens
        return text, tokens

    def _emitted_tokens(self, all_of_them: bool) -> tuple[TextToken, ...]:
        emitted = [token for token in self._pending_tokens if token.offset < self.emitted or all_of_them]
        self._pending_tokens = self._pending_tokens[len(emitted) :]
        return tuple(replace(token, offset=max(token.offset - self._trimmed, 0)) for token in emitted)
