"""One request on a fake worker channel, whose events a test supplies."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from inkwell.access.keys import INFER, Client
from inkwell.engine.contract import Job, TokenEvent
from inkwell.errors import WorkerDied
from inkwell.generation.events import TextEvent
from inkwell.generation.generation import Generation
from inkwell.generation.jobs import prompt_job
from inkwell.generation.prompts import FieldNames, fitted
from inkwell.generation.request_context import RequestContext
from inkwell.models.model_store import Model
from inkwell.observability.outcome import RequestOutcome
from inkwell.parameters import GenerationRequest, Inspect, Score, Task
from inkwell.worker.stream import TokenStream
from tests.generation.texts import choices_for, request_of

WHO = Client("who", frozenset({INFER}), "who")


class ScriptedChannel:
    """A worker without a process; it accepts no job if `dead`."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.cancelled: list[int] = []
        self.dead = False
        self._keys = itertools.count(1)

    def register(self, stream: TokenStream) -> int:
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
    """A generation of `texts` texts of at most `length` tokens, its context, and the channel to its worker.

    With a `task`, which generates no texts, it has `prompts` prompts.
    """

    def __init__(
        self,
        model: Model,
        texts: int = 1,
        seconds: float = 60,
        task: Score | Inspect | None = None,
        prompts: int = 1,
        **wanted: object,
    ) -> None:
        self.channel, self.tokens = ScriptedChannel(), 0
        self.stream = TokenStream(self.channel)
        request: GenerationRequest[Task]
        if task is None:
            request = request_of("a", **{"length": 4, "nsamples": texts, **wanted})
            choices = choices_for(request, model)
            states, jobs = [choices[0].prompt], [choice.first_job for choice in choices]
        else:
            request = GenerationRequest(("ab",) * prompts, task)
            choices, states = [], fitted(request, model, FieldNames())
            jobs = [prompt_job(task, state, "") for state in states]
        for number, job in enumerate(jobs):
            self.stream.add(number, job)
        self.outcomes: list[RequestOutcome] = []
        self.context = RequestContext("id", WHO, [lambda: self.outcomes.append])
        deadline = self.context.started + seconds
        self.generation = Generation(
            request, model, states, choices, self.stream, self.context, deadline, self.note_token
        )

    @contextmanager
    def opened(self) -> Iterator[Generation]:
        """The generation, as a generator provides it to a dialect."""
        with self.context:
            yield self.generation

    def note_token(self) -> None:
        self.tokens += 1

    def come(self, key: int, tokens: Iterable[int], finish: str | None = "length") -> None:
        """Put token events of a job into the stream."""
        tokens = list(tokens)
        for place, token in enumerate(tokens):
            self.stream.put(TokenEvent(key, token, finish if place == len(tokens) - 1 else None))

    def text_events(self) -> list[TextEvent]:
        return [event for event in self.generation.events(0.01) if isinstance(event, TextEvent)]


def ids(model: Model, text: str) -> list[int]:
    return model.tokenizer.encode(text)


def end_of(one: Run) -> RequestOutcome:
    """Leave the request's context; returns the single reported outcome."""
    with one.context:
        pass
    (outcome,) = one.outcomes
    return outcome
