"""One admitted request that a worker has: its events while it runs, its whole reply, and its end."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from inkwell.engine.contract import Event, FailureEvent, InspectionEvent, PromptEvent, TokenEvent
from inkwell.errors import Cancelled, DeadlineExceeded, error_of
from inkwell.generation.choice import Choice
from inkwell.generation.events import Finish, Heartbeat, TextEvent
from inkwell.generation.request_context import RequestContext, result_of
from inkwell.models.model_store import Model
from inkwell.observability.outcome import CANCELLED, OK, RequestOutcome
from inkwell.parameters import GenerationRequest
from inkwell.worker.stream import TokenStream


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds from the request's start. `first_token_s` is None without any token.

    `queue_s` is the longest wait of a text for its slot. Of one that ended before the engine told of it, it is all the
    time since the worker got it.
    """

    queue_s: float
    first_token_s: float | None
    total_s: float


class Generation:
    """Iterate `events` or call `collect`. `deadline` is monotonic seconds.

    The context that gave it owns what it holds: the rows, the model and its place among the admitted requests.
    """

    def __init__(
        self,
        request: GenerationRequest,
        model: Model,
        choices: Sequence[Choice],
        stream: TokenStream,
        context: RequestContext,
        deadline: float,
        on_token: Callable[[], None],
    ) -> None:
        self.request = request  # the effective one: model, length and seed are decided
        self.model = model
        self.choices = list(choices)
        self._stream = stream
        self._context = context
        self._submitted = time.monotonic()
        self._deadline = deadline
        self._on_token = on_token
        self._first_token: float | None = None  # monotonic seconds
        self._computed = False  # whether the engine has told anything of a text
        context.measure = self._outcome
        context.on_cancel = stream.wake

    @property
    def request_id(self) -> str:
        return self._context.request_id

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts, each counted once however many texts follow it."""
        per_prompt = len(self.choices) // len(self.request.prompts)
        return sum(len(choice.prompt.tokens) for choice in self.choices[::per_prompt])

    @property
    def cached_tokens(self) -> int:
        """Tokens of all prompts that were found computed, as the first text of each prompt found them."""
        per_prompt = len(self.choices) // len(self.request.prompts)
        return sum(choice.cached_tokens for choice in self.choices[::per_prompt])

    @property
    def generated_tokens(self) -> int:
        """Tokens of all texts, those that `best_of` passes over included."""
        return sum(choice.generated for choice in self.choices)

    @property
    def timings(self) -> Timings:
        started = self._context.started
        first = None if self._first_token is None else self._first_token - started
        return Timings(max(map(self._queue_s, self.choices)), first, time.monotonic() - started)

    def _outcome(self) -> RequestOutcome:
        timings, error = self.timings, self._context.error
        cancelled = not self._done or any(choice.finish == "cancelled" for choice in self.choices)
        unfailed = CANCELLED if cancelled else OK
        return RequestOutcome(
            request_id=self._context.request_id,
            client=self._context.client.name,
            model=self.model.name,
            result=result_of(error) if error else unfailed,
            finish_reasons=tuple(sorted({str(choice.finish) for choice in self.choices if choice.finish})),
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            generated_tokens=self.generated_tokens,
            computed=self._computed,
            submitted_s=self._submitted - self._context.started,
            queue_s=timings.queue_s,
            first_token_s=timings.first_token_s,
            duration_s=timings.total_s,
        )

    @property
    def best(self) -> list[Choice]:
        """The texts that were asked for: all, or of each prompt the `nsamples` likeliest per token, best first."""
        wanted, made = self.request.nsamples, len(self.choices) // len(self.request.prompts)
        if made == wanted:
            return self.choices
        groups = [self.choices[begin : begin + made] for begin in range(0, len(self.choices), made)]
        return [choice for group in groups for choice in sorted(group, key=_likelihood, reverse=True)[:wanted]]

    def failed(self, error: Exception) -> None:
        """Report this error as the request's outcome, also one that happened while its reply was made."""
        self._context.error = error

    def events(self, ping_s: float) -> Iterator[TextEvent | Heartbeat]:
        """Pieces of text as they come, one final event a text; raises what made the generation fail."""
        try:
            yield from self._events(ping_s)
        except Exception as error:
            self.failed(error)
            raise

    def _events(self, ping_s: float) -> Iterator[TextEvent | Heartbeat]:
        while not self._done:
            left_s = self._deadline - time.monotonic()
            if self._context.cancelled.is_set():
                yield from self._cancel()
            elif left_s <= 0:
                yield from self._time_out()
            elif (received := self._stream.get(min(ping_s, left_s))) is None:
                yield Heartbeat()
            elif (piece := self._take(*received)) is not None:
                yield piece

    def collect(self) -> list[Choice]:
        """The whole reply: the drained stream."""
        for _ in self.events(ping_s=60):
            pass
        return self.best

    @property
    def _done(self) -> bool:
        return all(choice.finish for choice in self.choices)

    def _take(self, number: int, event: Event) -> TextEvent | None:
        """Hand an event to its text; one that has ended already gets none, because messages cross."""
        choice = self.choices[number]
        if choice.finish:
            return None
        if isinstance(event, FailureEvent):
            raise error_of(event.code, event.message, event.cause)
        self._computed = True
        if isinstance(event, TokenEvent):
            return self._take_token(choice, event)
        if isinstance(event, PromptEvent):
            choice.note_prompt(event)
        elif isinstance(event, InspectionEvent):
            choice.inspection = event
        return None

    def _take_token(self, choice: Choice, event: TokenEvent) -> TextEvent | None:
        if event.token is not None:
            self._first_token = self._first_token or time.monotonic()
            self._on_token()
        piece = choice.take(event)
        if event.finish:
            following = choice.next_job()
            if following is not None:
                self._stream.add(choice.number, following)
        elif choice.finish:
            self._stream.cancel(choice.number)
        return piece

    def _cancel(self) -> Iterator[TextEvent]:
        if not self.request.length:  # scores and distributions, of which a part means nothing
            raise Cancelled("the request was cancelled before it had a result")
        yield from self._end_all("cancelled")

    def _time_out(self) -> Iterator[TextEvent]:
        if not self.generated_tokens:
            raise DeadlineExceeded("the request's time was over before its first token")
        yield from self._end_all("timeout")

    def _end_all(self, finish: Finish) -> Iterator[TextEvent]:
        """End every text that has not ended; their rows are free from here on."""
        for choice in self.choices:
            if not choice.finish:
                self._stream.cancel(choice.number)
                choice.queue_s = self._queue_s(choice)
                yield choice.end(finish)

    def _queue_s(self, choice: Choice) -> float:
        return time.monotonic() - self._submitted if choice.queue_s is None else choice.queue_s


def _likelihood(choice: Choice) -> float:
    return choice.logprob / max(choice.generated, 1)
