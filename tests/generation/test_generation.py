"""One request from its first event to its last, on a fake worker channel: its events, reply and end."""

import threading
from collections.abc import Callable

import pytest

from inkwell.engine.contract import FailureEvent, InspectionEvent, PromptEvent, TokenEvent
from inkwell.errors import Cancelled, DeadlineExceeded, EngineFailed
from inkwell.generation.events import Heartbeat, TextEvent
from inkwell.models.model_store import Model
from inkwell.parameters import Inspect, Score
from tests.generation.runs import Run, ids


def test_every_text_ends_in_one_final_event(run: Callable[..., Run], letters: Model):
    one = run(texts=2)
    one.come(1, ids(letters, "bcde"))
    one.come(2, ids(letters, "xy"), "stop")
    finishes = [(event.choice, event.finish) for event in one.text_events() if event.finish]
    assert sorted(finishes) == [(0, "length"), (1, "stop")]
    assert [choice.text for choice in one.generation.collect()] == ["bcde", "xy"]
    assert (one.tokens, one.generation.generated_tokens, one.generation.prompt_tokens) == (6, 6, 1)


def test_a_while_without_events_is_a_heartbeat(run: Callable[..., Run], letters: Model):
    one = run()
    events = one.generation.events(0.01)
    assert isinstance(next(events), Heartbeat)
    one.come(1, ids(letters, "bcde"))
    assert next(events) == TextEvent(0, "b", None)


def test_a_text_that_ends_by_itself_frees_its_row(run: Callable[..., Run], letters: Model):
    one = run(texts=2, stop=("c",))
    one.come(1, ids(letters, "bcde"))
    one.come(2, ids(letters, "xyzw"))
    assert [event.text for event in one.text_events()] == ["b", "", "x", "y", "z", "w"]
    assert one.channel.cancelled == [1]


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
    thread = threading.Timer(0 if cancel_before else 0.05, one.context.cancel)
    thread.start()
    if cancel_before:
        thread.join()
    rest = [event for event in events if isinstance(event, TextEvent)]
    thread.join()
    assert [(event.choice, event.text, event.finish) for event in rest] == [(0, "", "cancelled"), (1, "", "cancelled")]
    assert sorted(one.channel.cancelled) == [1, 2]
    one.context.cancel()  # too late, and harmless


@pytest.mark.parametrize("task", [Score(), Inspect(3)])
def test_what_generates_nothing_has_prompts_and_no_texts(run: Callable[..., Run], task: Score | Inspect):
    one = run(task=task, prompts=2)
    assert [(job.prompt, job.max_tokens) for job in one.channel.jobs] == [(one.generation.prompts[0].tokens, 0)] * 2
    one.stream.put(TokenEvent(2, None, "length", cached_tokens=1))
    one.stream.put(TokenEvent(1, None, "length"))
    assert one.text_events() == one.generation.collect() == []
    assert (one.generation.prompt_tokens, one.generation.cached_tokens, one.generation.generated_tokens) == (4, 1, 0)
    assert one.generation.timings.first_token_s is None


def test_a_prompt_gets_what_was_computed_of_it(run: Callable[..., Run]):
    scored, inspected = run(task=Score()), run(task=Inspect(1))
    scored.stream.put(PromptEvent(1, 1, (-0.5,), ((),)))
    inspection = InspectionEvent(1, (5,), ())
    inspected.stream.put(inspection)
    for one in (scored, inspected):
        one.stream.put(TokenEvent(1, None, "length"))
        one.generation.collect()
    assert [token.logprob for token in scored.generation.prompts[0].text_tokens()] == [None, -0.5]
    assert inspected.generation.prompts[0].inspection == inspection


@pytest.mark.parametrize("task", [Score(), Inspect(3)])
def test_the_end_of_its_time_leaves_a_score_without_a_result(run: Callable[..., Run], task: Score | Inspect):
    one = run(task=task, prompts=2, seconds=0.02)
    one.stream.put(TokenEvent(1, None, "length"))
    with pytest.raises(DeadlineExceeded, match="before it had a result"):
        one.generation.collect()


def test_a_cancelled_score_has_no_result(run: Callable[..., Run]):
    one = run(task=Score())
    one.context.cancel()
    with pytest.raises(Cancelled):
        one.generation.collect()


def test_the_end_of_its_time_is_an_end(run: Callable[..., Run], letters: Model):
    one = run(texts=2, seconds=0.05)
    one.come(1, ids(letters, "b"), None)
    assert [choice.finish for choice in one.generation.collect()] == ["timeout", "timeout"]
    assert [choice.text for choice in one.generation.choices] == ["b", ""]
    assert sorted(one.channel.cancelled) == [1, 2]


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
    first = one.channel.jobs[0]
    one.come(1, ids(letters, "bcdefghijklmnop"))
    one.come(2, ids(letters, "qrstu"))
    assert first.max_tokens == 15
    assert [choice.text for choice in one.generation.collect()] == ["bcdefghijklmnopqrstu"]
    assert [job.generated_before for job in one.channel.jobs] == [0, 15]
