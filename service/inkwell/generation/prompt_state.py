"""The state of one prompt of a request: its tokens, and the results that the engine reports for them.

All texts of a prompt share its state; the engine reports the results only in the first text's job.
"""

from collections.abc import Sequence

from inkwell.checkpoints.tokenizer import TextTokenizer
from inkwell.engine.contract import Event, InspectionEvent, PromptEvent, TokenEvent, TopTokens
from inkwell.generation.events import TextToken


class PromptState:
    """Prompt `number` of a request, as passed to the model."""

    def __init__(self, number: int, tokens: Sequence[int], dropped_tokens: int, tokenizer: TextTokenizer) -> None:
        self.number = number
        self.tokens = tuple(tokens)
        self.dropped_tokens = dropped_tokens  # number of tokens cut off its beginning
        self.cached_tokens = 0  # reused from an earlier request; known once computed
        self.computed = False  # all requested results for the prompt have arrived
        self.inspection: InspectionEvent | None = None
        self._tokenizer = tokenizer
        self._logprobs: list[tuple[float, TopTokens]] = []  # of all tokens except the first

    def note(self, event: Event) -> None:
        """Process an event of the prompt's first job. Events after its first token contain nothing about the prompt."""
        if isinstance(event, PromptEvent):
            self._logprobs += zip(event.logprobs, event.top, strict=True)
        elif isinstance(event, InspectionEvent):
            self.inspection = event
        elif isinstance(event, TokenEvent) and not self.computed:
            self.computed, self.cached_tokens = True, event.cached_tokens

    @property
    def text(self) -> str:
        decoder = self._tokenizer.decoder()
        return "".join(map(decoder.push, self.tokens)) + decoder.finish()

    def text_tokens(self) -> list[TextToken]:
        """The tokens, with their log-probabilities if requested."""
        decoder, offset, found = self._tokenizer.decoder(), 0, []
        known: list[tuple[float | None, TopTokens]] = [(None, ()), *self._logprobs]
        for place, token in enumerate(self.tokens):
            logprob, top = known[place] if place < len(known) else (None, ())
            found.append(TextToken(token, self._tokenizer.spelling(token), offset, logprob, top))
            offset += len(decoder.push(token))
        return found
