"""One request from its first event to its last, over a line that a test speaks for: how it ends, and what it tells."""

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace

import pytest

from service.engine.contract import FailureEvent, Job, TokenEvent
from service.errors import Cancelled, DeadlineExceeded, EngineFailed, WorkerDied
from service.generation.events import Silence, TextEvent
from service.generation.generation import Generation
from service.generation.origin import Origin
from service.params import GenerationRequest
from service.registry.model import Model
from service.summary import Summary
from service.worker.stream import TokenStream
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
        self.ends: list[Summary] = []
        now = time.monotonic()
        origin = Origin("id", "who", now, (self.ends.append,))
        self.generation = Generation(
            effective, model, choices, self.stream, origin, now + seconds, self.note_token, closers
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


@pytest.fixture
def run(letters: Model) -> Callable[..., Run]:
    return lambda **wanted: Run(letters, **wanted)


def ids(model: Model, text: str) -> list[int]:
    return model.tokenizer.encode(text)


def test_every_text_ends_in_one_final_event(run: Callable[..., Run], letters: Model):
    one = run(texts=2)
    one.come(1, ids(letters, "bcde"))
    one.come(2, ids(letters, "xy"), "stop")
    finishes = [(event.choice, event.finish) for event in one.told() if event.finish]
    assert sorted(finishes) == [(0, "length"), (1, "stop")]
    assert [choice.text for choice in one.generation.collect()] == ["bcde", "xy"]
    assert (one.tokens, one.generation.generated_tokens, one.generation.prompt_tokens) == (6, 6, 1)


def test_nothing_for_a_while_is_told_too(run: Callable[..., Run], letters: Model):
    one = run()
    events = one.generation.events(0.01)
    assert isinstance(next(events), Silence)
    one.come(1, ids(letters, "bcde"))
    assert next(events) == TextEvent(0, "b", None)


def test_a_text_that_ends_by_itself_frees_its_row(run: Callable[..., Run], letters: Model):
    one = run(texts=2, stop=("c",))
    one.come(1, ids(letters, "bcde"))
    one.come(2, ids(letters, "xyzw"))
    assert [event.text for event in one.told()] == ["b", "", "x", "y", "z", "w"]
    assert one.line.cancelled == [1]


def test_what_comes_behind_the_end_of_a_text_changes_nothing(run: Callable[..., Run], letters: Model):
    one = run(texts=2, stop=("c",))
    one.come(1, ids(letters, "bcd"), None)
    one.stream.put(FailureEvent(1, "engine_error", "too late", None))
    one.come(2, ids(letters, "xyzw"))
    assert [choice.text for choice in one.generation.collect()] == ["b", "xyzw"]


@pytest.mark.parametrize("cancel_before", [True, False])
def test_a_cancelled_request_ends_with_what_it_has(run: Callable[..., Run], letters: Model, cancel_before: bool):
    one = run(texts=2)
    one.come(1, ids(letters, "b"), None)
    events = one.generation.events(60)
    assert next(events).text == "b"
    thread = threading.Timer(0 if cancel_before else 0.05, one.generation.cancel)
    thread.start()
    if cancel_before:
        thread.join()
    rest = [event for event in events if isinstance(event, TextEvent)]
    thread.join()
    assert [(event.choice, event.text, event.finish) for event in rest] == [(0, "", "cancelled"), (1, "", "cancelled")]
    assert sorted(one.line.cancelled) == [1, 2]
    one.generation.cancel()  # too late, and harmless


def test_a_cancelled_score_has_no_result(run: Callable[..., Run]):
    one = run(length=0, prompt_logprobs=0)
    one.generation.cancel()
    with pytest.raises(Cancelled):
        one.generation.collect()


def test_the_end_of_its_time_is_an_end(run: Callable[..., Run], letters: Model):
    one = run(texts=2, seconds=0.05)
    one.come(1, ids(letters, "b"), None)
    assert [choice.finish for choice in one.generation.collect()] == ["timeout", "timeout"]
    assert [choice.text for choice in one.generation.choices] == ["b", ""]
    assert sorted(one.line.cancelled) == [1, 2]


def test_without_a_token_the_end_of_its_time_is_an_error(run: Callable[..., Run]):
    one = run(seconds=0.02)
    with pytest.raises(DeadlineExceeded):
        one.generation.collect()


def test_a_failed_job_fails_the_request(run: Callable[..., Run], letters: Model):
    one = run(texts=2)
    one.come(1, ids(letters, "bcde"))
    one.stream.put(FailureEvent(2, "engine_error", "the step failed", "why"))
    with pytest.raises(EngineFailed, match="^the step failed$") as caught:
        one.generation.collect()
    assert caught.value.cause == "why"


def test_a_text_that_slides_goes_on_in_a_second_job(run: Callable[..., Run], letters: Model):
    one = run(length=20, on_overflow="slide")
    first = one.line.jobs[0]
    one.come(1, ids(letters, "bcdefghijklmnop"))
    one.come(2, ids(letters, "qrstu"))
    assert first.sampling.max_tokens == 15
    assert [choice.text for choice in one.generation.collect()] == ["bcdefghijklmnopqrstu"]
    assert [job.sampling.generated_before for job in one.line.jobs] == [0, 15]


def end_of(one: Run) -> Summary:
    """Close the request twice; gives the one summary that was told."""
    one.generation.close()
    one.generation.close()
    assert one.closed == 1
    (summary,) = one.ends
    return summary


def test_a_worker_that_is_gone_when_a_text_slides_is_an_error_and_is_told_as_one(
    run: Callable[..., Run], letters: Model
):
    one = run(length=20, on_overflow="slide")
    one.line.dead = True
    one.come(1, ids(letters, "bcdefghijklmnop"))
    with pytest.raises(WorkerDied):
        one.generation.collect()
    assert end_of(one).outcome == "worker_died"


def test_the_summary_of_a_whole_text_tells_counts_and_times(run: Callable[..., Run], letters: Model):
    one = run()
    first, *others = ids(letters, "bcd")
    one.stream.put(TokenEvent(1, first, None, cached_tokens=1, queue_s=0.5))
    one.come(1, others, None)
    one.stream.put(TokenEvent(1, None, "stop"))
    one.generation.collect()
    summary = end_of(one)
    assert (summary.outcome, summary.finish_reasons) == ("ok", ("stop",))
    assert (summary.request_id, summary.client) == ("id", "who")
    assert (summary.prompt_tokens, summary.cached_tokens, summary.generated_tokens, summary.queue_s) == (1, 1, 3, 0.5)
    assert 0 <= summary.first_token_s <= summary.duration_s


def test_a_request_that_nobody_read_to_its_end_is_told_as_cancelled(run: Callable[..., Run]):
    summary = end_of(run())
    assert (summary.outcome, summary.first_token_s, summary.finish_reasons) == ("cancelled", None, ())


def test_who_never_gets_a_slot_has_waited_from_the_beginning_to_the_end(run: Callable[..., Run]):
    one = run(seconds=0.1)
    with pytest.raises(DeadlineExceeded):
        one.generation.collect()
    assert 0.05 < end_of(one).queue_s < 10


def test_a_wait_does_not_go_on_behind_the_end_of_a_text(run: Callable[..., Run], letters: Model):
    one = run(texts=2, seconds=0.1)
    one.stream.put(TokenEvent(1, ids(letters, "b")[0], None, queue_s=0.01))
    one.generation.collect()
    waited_s = one.generation.timings.queue_s
    time.sleep(0.02)
    assert end_of(one).queue_s == waited_s > 0.05
