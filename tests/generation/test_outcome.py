"""The outcome that is reported for a request."""

import time
from collections.abc import Callable

import pytest

from inkwell.engine.contract import TokenEvent
from inkwell.errors import DeadlineExceeded, WorkerDied
from inkwell.models.model_store import Model
from inkwell.parameters import Score
from tests.generation.runs import Run, end_of, ids


def test_a_worker_that_is_gone_when_a_text_slides_is_an_error_and_is_reported_as_one(
    run: Callable[..., Run], letters: Model
):
    one = run(length=20, on_overflow="slide")
    one.channel.dead = True
    one.come(1, ids(letters, "bcdefghijklmnop"))
    with pytest.raises(WorkerDied):
        one.generation.collect()
    assert end_of(one).result == "worker_died"


def test_a_defect_that_ends_a_request_is_reported_as_one(run: Callable[..., Run]):
    one = run()
    one.stream.put(TokenEvent(99, 1, None))  # of an unknown job
    with pytest.raises(KeyError):
        one.generation.collect()
    assert end_of(one).result == "internal_error"


def test_a_defect_after_the_last_event_is_reported_too(run: Callable[..., Run], letters: Model):
    one = run()
    one.come(1, ids(letters, "bcde"))
    one.generation.collect()
    one.generation.failed(TypeError())
    assert end_of(one).result == "internal_error"


def test_a_text_that_was_cancelled_makes_a_cancelled_request(run: Callable[..., Run], letters: Model):
    one = run(texts=2)
    one.come(1, ids(letters, "bcde"))
    events = one.generation.events(0.01)
    assert [next(events).choice for _ in range(4)] == [0] * 4
    one.context.cancel()
    assert [event.finish for event in events] == ["cancelled"]
    outcome = end_of(one)
    assert (outcome.result, outcome.finish_reasons, outcome.computed) == ("cancelled", ("cancelled", "length"), True)


def test_a_request_that_was_cancelled_in_the_queue_has_computed_nothing(run: Callable[..., Run]):
    one = run()
    one.context.cancel()
    one.generation.collect()
    outcome = end_of(one)
    assert (outcome.result, outcome.finish_reasons, outcome.computed) == ("cancelled", ("cancelled",), False)


def test_a_score_without_a_token_has_computed_its_prompt(run: Callable[..., Run]):
    one = run(task=Score())
    one.stream.put(TokenEvent(1, None, "length", cached_tokens=1, queue_s=0.5))
    one.generation.collect()
    outcome = end_of(one)
    assert (outcome.result, outcome.first_token_s, outcome.computed) == ("ok", None, True)
    assert (outcome.finish_reasons, outcome.generated_tokens) == ((), 0)
    assert (outcome.prompt_tokens, outcome.cached_tokens, outcome.queue_s) == (2, 1, 0.5)


def test_a_score_that_nobody_waited_for_is_cancelled(run: Callable[..., Run]):
    outcome = end_of(run(task=Score()))
    assert (outcome.result, outcome.finish_reasons) == ("cancelled", ())


def test_the_summary_of_a_whole_text_tells_counts_and_times(run: Callable[..., Run], letters: Model):
    one = run()
    first, *others = ids(letters, "bcd")
    one.stream.put(TokenEvent(1, first, None, cached_tokens=1, queue_s=0.5))
    one.come(1, others, None)
    one.stream.put(TokenEvent(1, None, "stop"))
    one.generation.collect()
    outcome = end_of(one)
    assert (outcome.result, outcome.finish_reasons) == ("ok", ("stop",))
    assert (outcome.request_id, outcome.client) == ("id", "who")
    assert (outcome.prompt_tokens, outcome.cached_tokens, outcome.generated_tokens, outcome.queue_s) == (1, 1, 3, 0.5)
    assert 0 <= outcome.first_token_s <= outcome.duration_s


def test_a_request_that_is_not_read_to_its_end_is_reported_as_cancelled(run: Callable[..., Run]):
    outcome = end_of(run())
    assert (outcome.result, outcome.first_token_s, outcome.finish_reasons) == ("cancelled", None, ())


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
