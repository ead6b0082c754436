"""One request over a line that a test speaks for."""

import itertools
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from inkwell.engine.contract import Job, TokenEvent
from inkwell.errors import WorkerDied
from inkwell.generation.events import TextEvent
from inkwell.generation.generation import Generation
from inkwell.generation.request_context import RequestContext
from inkwell.models.model_store import Model
from inkwell.observability.outcome import RequestOutcome
from inkwell.parameters import GenerationRequest
from inkwell.worker.stream import TokenStream
from tests.generation.texts import choice_of


class Line:
    """A worker without a process; `dead` lets no job in."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.cancelled: list[int] = []
        self.dead = False
        self._keys = itertools.count(1)

    def enter(self, stream: TokenStream) -> int:
        if self.dead:
            raise WorkerDied("gone")
        return next(self._keys)

    def send(self, job: Job) -> None:
        self.jobs.append(job)

    def cancel(self, keys: Sequence[int]) -> None:
        self.cancelled += keys

    def end_if_hung(self) -> None:
        pass


class Run:
    """A generation of `texts` texts of at most `length` tokens, and the line below it."""

    def __init__(self, model: Model, texts: int = 1, seconds: float = 60, **wanted: object) -> None:
        self.line, self.tokens, self.closed = Line(), 0, 0
        self.stream = TokenStream(self.line)
        asked = {"length": 4, **wanted}
        choices = [choice_of(model, number=number, **asked) for number in range(texts)]
        for choice in choices:
            self.stream.add(choice.number, choice.first_job)
        effective = replace(
            GenerationRequest(("a",)), model_name=model.name, nsamples=texts, best_of=texts, seed=7, **asked
        )
        closers = ExitStack()
        closers.callback(self.note_close)
        self.ends: list[RequestOutcome] = []
        now = time.monotonic()
        context = RequestContext("id", "who", now, (self.ends.append,))
        self.generation = Generation(
            effective, model, choices, self.stream, context, now + seconds, self.note_token, closers
        )

    def note_token(self) -> None:
        self.tokens += 1

    def note_close(self) -> None:
        self.closed += 1

    def come(self, key: int, tokens: Iterable[int], finish: str | None = "length") -> None:
        """Tokens of a job arrive."""
        tokens = list(tokens)
        for place, token in enumerate(tokens):
            self.stream.put(TokenEvent(key, token, finish if place == len(tokens) - 1 else None))

    def told(self) -> list[TextEvent]:
        return [event for event in self.generation.events(0.01) if isinstance(event, TextEvent)]


def ids(model: Model, text: str) -> list[int]:
    return model.tokenizer.encode(text)


def end_of(one: Run) -> RequestOutcome:
    """Close the request twice; gives the one outcome that was told."""
    one.generation.close()
    one.generation.close()
    assert one.closed == 1
    (outcome,) = one.ends
    return outcome
