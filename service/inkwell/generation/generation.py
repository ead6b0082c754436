"""One admitted request that was submitted to a worker: its stream of events, its complete reply, and its outcome."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from inkwell.engine.contract import Event, FailureEvent, TokenEvent
from inkwell.errors import Cancelled, DeadlineExceeded, error_of
from inkwell.generation.choice import Choice
from inkwell.generation.events import Finish, Heartbeat, TextEvent
from inkwell.generation.prompt_state import PromptState
from inkwell.generation.request_context import RequestContext, result_of
from inkwell.generation.timings import QueueTimes, Timings
from inkwell.models.model_store import Model
from inkwell.observability.outcome import CANCELLED, OK, RequestOutcome
from inkwell.parameters import Generate, GenerationRequest, Task
from inkwell.worker.stream import TokenStream

TaskT_co = TypeVar("TaskT_co", bound=Task, covariant=True)


class Generation(Generic[TaskT_co]):
    """Iterate `events` or call `collect`. `deadline` is monotonic seconds.

    A `Generate` request has one job per choice, with the choice's number as its key; other tasks have one job per
    prompt and no choices. The context manager that provides a generation owns its resources: the slots, the model's
    lease and the admission.
    """

    def __init__(
        self,
        request: GenerationRequest[TaskT_co],
        model: Model,
        prompts: Sequence[PromptState],
        choices: Sequence[Choice],
        stream: TokenStream,
        context: RequestContext,
        deadline: float,
        on_token: Callable[[], None],
    ) -> None:
        self.request = request  # with model, length and seed filled in
        self.model = model
        self.prompts = list(prompts)
        self.choices = list(choices)
        self._stream = stream
        self._context = context
        self._queue = QueueTimes(len(choices) or len(prompts))
        self._deadline = deadline
        self._on_token = on_token
        self._first_token: float | None = None  # monotonic seconds
        self._computed = False  # whether the engine has reported anything on a job
        context.measure = self._outcome
        context.on_cancel = stream.wake

    @property
    def task(self) -> TaskT_co:
        return self.request.task

    @property
    def request_id(self) -> str:
        return self._context.request_id

    @property
    def prompt_tokens(self) -> int:
        """Number of prompt tokens; each prompt counts once, regardless of its number of texts."""
        return sum(len(prompt.tokens) for prompt in self.prompts)

    @property
    def cached_tokens(self) -> int:
        """Tokens of all prompts that were reused from earlier requests."""
        return sum(prompt.cached_tokens for prompt in self.prompts)

    @property
    def generated_tokens(self) -> int:
        """Tokens of all texts, including those that `best_of` discards."""
        return sum(choice.generated for choice in self.choices)

    @property
    def dropped_tokens(self) -> int:
        """Number of tokens cut off the prompt or dropped by the sliding window, for each text of the reply."""
        if isinstance(self.task, Generate):
            return sum(choice.dropped_tokens for choice in self.best)
        return sum(prompt.dropped_tokens for prompt in self.prompts)

    @property
    def timings(self) -> Timings:
        started = self._context.started
        first = None if self._first_token is None else self._first_token - started
        return Timings(self._queue.longest_s, first, time.monotonic() - started)

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
            submitted_s=self._queue.submitted - self._context.started,
            queue_s=timings.queue_s,
            first_token_s=timings.first_token_s,
            duration_s=timings.total_s,
        )

    @property
    def best(self) -> list[Choice]:
        """The texts of the reply: all, or for each prompt the `nsamples` with the highest log-probability per token."""
        if not isinstance(self.task, Generate) or self.task.samples == self.task.nsamples:
            return self.choices
        made, wanted = self.task.samples, self.task.nsamples
        groups = [self.choices[begin : begin + made] for begin in range(0, len(self.choices), made)]
        return [choice for group in groups for choice in sorted(group, key=_likelihood, reverse=True)[:wanted]]

    def failed(self, error: Exception) -> None:
        """Report this error as the request's outcome, even if it occurred while the reply was built."""
        self._context.error = error

    def events(self, ping_s: float) -> Iterator[TextEvent | Heartbeat]:
        """Text events as they arrive, one final event per text; raises the error that ended the generation."""
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
        """The complete reply, collected from the stream."""
        for _ in self.events(ping_s=60):
            pass
        return self.best

    @property
    def _done(self) -> bool:
        if isinstance(self.task, Generate):
            return all(choice.finish for choice in self.choices)
        return all(prompt.computed for prompt in self.prompts)

    def _take(self, number: int, event: Event) -> TextEvent | None:
        """Pass an event to its text or prompt. Late events of a text that has ended are ignored."""
        choice = self.choices[number] if self.choices else None
        if choice and choice.finish:
            return None
        if isinstance(event, FailureEvent):
            raise error_of(event.code, event.message, event.cause)
        self._computed = True
        if isinstance(event, TokenEvent):
            self._queue.note(number, event.queue_s)
        if choice:
            return self._take_text(choice, event)
        self.prompts[number].note(event)
        return None

    def _take_text(self, choice: Choice, event: Event) -> TextEvent | None:
        piece = choice.take(event)
        if not isinstance(event, TokenEvent):
            return piece
        if event.token is not None:
            self._first_token = self._first_token or time.monotonic()
            self._on_token()
        if event.finish:
            following = choice.next_job()
            if following is not None:
                self._stream.add(choice.number, following)
        elif choice.finish:
            self._stream.cancel(choice.number)
        return piece

    def _cancel(self) -> Iterator[TextEvent]:
        if not isinstance(self.task, Generate):  # a partial result is useless
            raise Cancelled("the request was cancelled before it had a result")
        yield from self._end_all("cancelled")

    def _time_out(self) -> Iterator[TextEvent]:
        if not isinstance(self.task, Generate):
            raise DeadlineExceeded("the request timed out before it had a result")
        if not self.generated_tokens:
            raise DeadlineExceeded("the request timed out before its first token")
        yield from self._end_all("timeout")

    def _end_all(self, finish: Finish) -> Iterator[TextEvent]:
        """End every text that has not ended, which frees its slot."""
        for choice in self.choices:
            if not choice.finish:
                self._stream.cancel(choice.number)
                self._queue.end(choice.number)
                yield choice.end(finish)


def _likelihood(choice: Choice) -> float:
    return choice.logprob / max(choice.generated, 1)
