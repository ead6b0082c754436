"""One text of a request as it grows: tokens in, text out, and an end.

A job of the engine gives it tokens; with `on_overflow=slide` a further job goes on where the context was full. Knows
no HTTP and no worker.
"""

from collections.abc import Sequence
from dataclasses import replace

from inkwell.checkpoints.tokenizer import TextTokenizer
from inkwell.engine.contract import InspectionEvent, Job, PromptEvent, TokenEvent
from inkwell.generation.ending import Ending, Sentence
from inkwell.generation.events import Finish, Likeliest, TextEvent, TextToken
from inkwell.generation.prompts import Prompt
from inkwell.parameters import GenerationRequest


class Choice:
    """The text number `number` of a request.

    `job` is the first one, whose key does not matter; `context` the most tokens of a job.
    """

    def __init__(
        self,
        number: int,
        prompt: Prompt,
        job: Job,
        request: GenerationRequest,
        tokenizer: TextTokenizer,
        context: int,
    ) -> None:
        self.number = number
        self.prompt = prompt
        self.text = ""
        self.tokens: list[TextToken] = []  # of the text, when log-probabilities were asked for
        self.generated = 0  # tokens, those of a cut end included
        self.cached_tokens = 0  # of the prompt, found computed already; known from the first token on
        self.dropped_tokens = prompt.dropped
        self.logprob = 0.0  # of all tokens together, when the engine tells it
        self.queue_s: float | None = None  # known from the first token on, or from an end without any
        self.finish: Finish | None = None
        self.stop: str | None = None  # the stop string that ended it
        self.sentence: Sentence | None = None
        self.inspection: InspectionEvent | None = None
        self._job = job
        self._wanted = prompt.length + (request.sentence_grace_tokens if request.finish_sentence else 0)
        self._ending = Ending(request.stop, request.keep_stop, request.finish_sentence)
        self._slides = request.on_overflow == "slide"
        self._trims = request.trim_start
        self._details = request.logprobs is not None
        self._context = context
        self._tokenizer = tokenizer
        self._decoder = tokenizer.decoder()
        self._window = list(prompt.tokens)  # what the running job's slot holds
        self._held = ""  # decoded and not told
        self._told = 0  # characters told, those that were trimmed included
        self._trimmed = 0
        self._limit_at: int | None = None  # characters when the limit of tokens was reached
        self._pending: list[TextToken] = []
        self._prompt_logprobs: list[tuple[float, Likeliest]] = []

    @property
    def first_job(self) -> Job:
        return replace(self._job, max_tokens=self._room())

    def next_job(self) -> Job | None:
        """The job that goes on after one that came to its limit: None when all that was wanted is there."""
        if self.finish or not self._slides or self.generated >= self._wanted:
            return None
        kept = max(self._context // 2, 1)
        self.dropped_tokens += len(self._window) - kept
        del self._window[:-kept]
        return replace(
            self._job,
            prompt=tuple(self._window),
            max_tokens=self._room(),
            generated_before=self.generated,
            prompt_logprobs=None,
        )

    def _room(self) -> int:
        return min(self._wanted - self.generated, self._context - len(self._window))

    def take(self, event: TokenEvent) -> TextEvent | None:
        """One event of the engine; gives the text that may be told because of it."""
        if not self.generated:  # of the first job: later ones hold more than the prompt
            self.cached_tokens, self.queue_s = event.cached_tokens, event.queue_s
        if event.token is not None:
            self._push(event)
        if not event.finish:
            return self._tell(None)
        if event.finish == "length" and self._slides and self.generated < self._wanted:
            return self._tell(None)
        return self.end(event.finish)

    def end(self, finish: Finish) -> TextEvent:
        """End the text where it is."""
        self._held += self._decoder.finish()
        event = self._tell(finish)
        assert event is not None, "the last event is told even without text"
        return event

    def note_prompt(self, event: PromptEvent) -> None:
        """Log-probabilities of the next tokens of the prompt."""
        self._prompt_logprobs += zip(event.logprobs, event.top, strict=True)

    def prompt_tokens(self) -> list[TextToken]:
        """The prompt's tokens, with their log-probabilities if they were asked for."""
        return list(self._spelled())

    @property
    def prompt_text(self) -> str:
        decoder = self._tokenizer.decoder()
        return "".join(map(decoder.push, self.prompt.tokens)) + decoder.finish()

    def _spelled(self) -> Sequence[TextToken]:
        decoder, offset, tokens = self._tokenizer.decoder(), 0, []
        known: list[tuple[float | None, Likeliest]] = [(None, ()), *self._prompt_logprobs]
        for place, token in enumerate(self.prompt.tokens):
            logprob, top = known[place] if place < len(known) else (None, ())
            tokens.append(TextToken(token, self._tokenizer.spelling(token), offset, logprob, top))
            offset += len(decoder.push(token))
        return tokens

    def _push(self, event: TokenEvent) -> None:
        assert event.token is not None
        self.generated += 1
        self._window.append(event.token)
        self.logprob += event.logprob or 0.0
        if self._details:
            offset = self._told + len(self._held)
            data = self._tokenizer.spelling(event.token)
            self._pending.append(TextToken(event.token, data, offset, event.logprob, event.top))
        self._held += self._decoder.push(event.token)
        if self.generated == self.prompt.length:
            self._limit_at = self._told + len(self._held.rstrip())

    def _tell(self, finish: Finish | None) -> TextEvent | None:
        limit_at = None if self._limit_at is None else max(self._limit_at - self._told, 0)
        verdict = self._ending.judge(self._held, limit_at, finish, told=self._told > 0)
        text, self._held = self._held[: verdict.tell], self._held[verdict.tell :]
        self._told += verdict.tell
        self.finish, self.stop, self.sentence = verdict.finish, verdict.stop, verdict.sentence
        if self._trims and not self.text:
            self._trimmed += len(text) - len(text.lstrip())
            text = text.lstrip()
        tokens = self._told_tokens()
        self.text += text
        self.tokens += tokens
        if not (text or tokens or verdict.finish):
            return None
        return TextEvent(self.number, text, verdict.finish, tuple(tokens))

    def _told_tokens(self) -> list[TextToken]:
        """Tokens that begin in what was told; at an end that cut nothing, all."""
        whole = self.finish is not None and not self._held
        told = [token for token in self._pending if token.offset < self._told or whole]
        self._pending = self._pending[len(told) :]
        return [replace(token, offset=max(token.offset - self._trimmed, 0)) for token in told]
