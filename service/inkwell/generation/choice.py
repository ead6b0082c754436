"""One text of a request while it is generated: takes tokens, returns text events. Knows no HTTP and no worker."""

from inkwell.engine.contract import Event, Job, TokenEvent
from inkwell.generation.events import Finish, TextEvent, TextToken
from inkwell.generation.job_chain import JobChain
from inkwell.generation.prompt_state import PromptState
from inkwell.generation.stop_checker import Sentence, StopChecker
from inkwell.generation.text_buffer import TextBuffer


class Choice:
    """Text `number` of a request. After `length` tokens it may only complete its sentence.

    Only the `first` text of a prompt reports on the prompt, because the others would report the same.
    """

    def __init__(
        self,
        number: int,
        prompt: PromptState,
        first: bool,
        length: int,
        chain: JobChain,
        buffer: TextBuffer,
        stop_checker: StopChecker,
    ) -> None:
        self.number = number
        self.prompt = prompt
        self.first = first
        self.logprob = 0.0  # sum over all tokens, if the engine reports log-probabilities
        self.finish: Finish | None = None
        self.stop: str | None = None  # the stop string that ended it
        self.sentence: Sentence | None = None
        self._length = length
        self._limit_at: int | None = None  # number of characters when the text had `length` tokens
        self._chain = chain
        self._buffer = buffer
        self._stop_checker = stop_checker

    @property
    def text(self) -> str:
        return self._buffer.text

    @property
    def tokens(self) -> list[TextToken]:
        """The tokens of the text, if log-probabilities were asked for."""
        return self._buffer.tokens

    @property
    def generated(self) -> int:
        """Number of generated tokens, including those cut off the end of the text."""
        return self._chain.generated

    @property
    def dropped_tokens(self) -> int:
        """Number of tokens cut off the prompt, or dropped when the context window slid."""
        return self.prompt.dropped_tokens + self._chain.dropped_tokens

    @property
    def first_job(self) -> Job:
        return self._chain.first

    def next_job(self) -> Job | None:
        """The job that continues the text after the previous job reached its limit; None if the text has ended."""
        return None if self.finish else self._chain.next()

    def take(self, event: Event) -> TextEvent | None:
        """Process one event of the engine; returns the text that can now be emitted."""
        if self.first:
            self.prompt.note(event)
        if not isinstance(event, TokenEvent):
            return None
        if event.token is not None:
            self._push(event.token, event)
        if not event.finish or (event.finish == "length" and self._chain.continues):
            return self._emit(None)
        return self.end(event.finish)

    def end(self, finish: Finish) -> TextEvent:
        """End the text at its current length."""
        self._buffer.finish()
        event = self._emit(finish)
        assert event is not None, "the last event is emitted even without text"
        return event

    def _push(self, token: int, event: TokenEvent) -> None:
        self._chain.push(token)
        self._buffer.push(token, event)
        self.logprob += event.logprob or 0.0
        if self.generated == self._length:
            self._limit_at = self._buffer.stripped_length

    def _emit(self, finish: Finish | None) -> TextEvent | None:
        buffer = self._buffer
        limit_at = None if self._limit_at is None else max(self._limit_at - buffer.emitted, 0)
        decision = self._stop_checker.check(buffer.pending, limit_at, finish, emitted=buffer.emitted > 0)
        self.finish, self.stop, self.sentence = decision.finish, decision.stop, decision.sentence
        text, tokens = buffer.emit(decision.emit, final=decision.finish is not None)
        if not (text or tokens or decision.finish):
            return None
        return TextEvent(self.number, text, decision.finish, tokens)
