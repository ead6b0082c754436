"""Metrics without a running service: steps of a worker, ends of requests, memory and its limit."""

from dataclasses import replace

import pytest

from inkwell.engine.contract import FailureEvent, PromptEvent, TokenEvent
from inkwell.observability.metrics import KILLED, Metrics, StepMeter
from inkwell.observability.outcome import RequestOutcome
from inkwell.system.resources import limit_bytes, resident_bytes
from tests.clock import Clock

ENDED = RequestOutcome("id", "who", "demo", "ok", ("length",), 40, 32, 7, True, 0.01, 0.5, 0.75, 2.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(clock: Clock) -> Metrics:
    return Metrics(clock)


@pytest.fixture
def meter(metrics: Metrics) -> StepMeter:
    return metrics.starting("demo")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"inkwell_{name}", {"model": "demo", **labels})


def gaps(metrics: Metrics) -> tuple[float | None, float | None]:
    return value(metrics, "inter_token_seconds_count"), value(metrics, "inter_token_seconds_sum")


def step(meter: StepMeter, clock: Clock, after_s: float, *keys: int) -> None:
    """After this many seconds, a step generates one token for each occurrence of a job's key."""
    clock.now += after_s
    meter.note(len(set(keys)), [TokenEvent(key, 5, None) for key in keys])


def test_time_between_tokens_begins_with_the_second_token_of_a_text(metrics: Metrics, meter: StepMeter, clock: Clock):
    step(meter, clock, 9.0, 1)
    assert gaps(metrics) == (0, 0)
    step(meter, clock, 0.25, 1, 2)
    assert gaps(metrics) == (1, 0.25)
    step(meter, clock, 0.5, 1, 2)
    assert gaps(metrics) == (3, 1.25)
    assert value(metrics, "generated_tokens_total") == 5


def test_a_step_that_brings_several_tokens_counts_its_time_in_equal_shares(
    metrics: Metrics, meter: StepMeter, clock: Clock
):
    step(meter, clock, 1.0, 1)
    step(meter, clock, 1.0, 1, 1, 1, 1)
    assert gaps(metrics) == (4, 1.0)
    assert value(metrics, "inter_token_seconds_bucket", le="0.25") == 4


def test_an_idle_time_is_no_time_between_tokens(metrics: Metrics, meter: StepMeter, clock: Clock):
    step(meter, clock, 1.0, 1)
    clock.now += 1
    meter.note(1, [TokenEvent(1, None, "stop")])
    step(meter, clock, 60.0, 2)
    assert gaps(metrics) == (0, 0)


def test_only_tokens_count_as_tokens(metrics: Metrics, meter: StepMeter):
    meter.note(3, [PromptEvent(1, 1, (-0.1,), ((),)), TokenEvent(2, None, "stop"), FailureEvent(3, "a", "b", None)])
    assert value(metrics, "generated_tokens_total") == 0
    assert (value(metrics, "batch_rows_count"), value(metrics, "batch_rows_sum")) == (1, 3)


def test_the_end_of_a_request_is_counted_whole(metrics: Metrics):
    metrics.listen()(ENDED)
    assert value(metrics, "generations_total", outcome="ok") == 1
    sums = {
        name: value(metrics, f"{name}_seconds_sum") for name in ("time_to_first_token", "queue", "request_duration")
    }
    assert sums == {"time_to_first_token": 0.75, "queue": 0.5, "request_duration": 2.0}
    assert (value(metrics, "prompt_tokens_total"), value(metrics, "cached_tokens_total")) == (40, 32)


def test_a_request_that_died_waiting_counts_its_wait_and_no_prompt(metrics: Metrics):
    metrics.starting("demo")
    metrics.listen()(replace(ENDED, result="deadline_exceeded", first_token_s=None, computed=False, queue_s=1.99))
    assert value(metrics, "generations_total", outcome="deadline_exceeded") == 1
    names = ("queue_seconds_sum", "prompt_tokens_total", "time_to_first_token_seconds_count")
    assert [value(metrics, name) for name in names] == [1.99, 0, 0]


def test_a_request_that_no_worker_had_counts_its_end_and_its_time_alone(metrics: Metrics):
    metrics.starting("demo")
    metrics.listen()(
        replace(ENDED, result="model_loading", first_token_s=None, computed=False, submitted_s=None, queue_s=0.0)
    )
    assert value(metrics, "generations_total", outcome="model_loading") == 1
    assert value(metrics, "request_duration_seconds_sum") == 2.0
    names = ("queue_seconds_count", "prompt_tokens_total", "time_to_first_token_seconds_count")
    assert [value(metrics, name) for name in names] == [0, 0, 0]


def test_a_refused_request_is_no_example_of_how_long_requests_take(metrics: Metrics):
    metrics.listen()(replace(ENDED, model=None, result="refused", first_token_s=None, computed=False, submitted_s=None))
    assert value(metrics, "generations_total", model="", outcome="refused") == 1
    assert value(metrics, "request_duration_seconds_count", model="") is None


@pytest.mark.parametrize("code", ["queue_full", "rate_limit_exceeded"])
def test_refusals_of_both_limits_are_there_before_they_happen(metrics: Metrics, code: str):
    assert metrics.registry.get_sample_value("inkwell_refusals_total", {"code": code}) == 0
    metrics.refused(code)
    assert metrics.registry.get_sample_value("inkwell_refusals_total", {"code": code}) == 1


def test_what_may_happen_to_a_worker_is_there_before_it_happens(metrics: Metrics):
    assert value(metrics, "worker_exits_total", reason=KILLED) is None
    metrics.starting("demo")
    assert value(metrics, "worker_exits_total", reason=KILLED) == 0
    metrics.exited("demo", KILLED)
    metrics.starting("demo")
    assert value(metrics, "worker_exits_total", reason=KILLED) == 1


def test_two_applications_share_no_count(metrics: Metrics):
    other = Metrics()
    metrics.answered("/models", 200)
    assert other.registry.get_sample_value("inkwell_requests_total", {"route": "/models", "status": "200"}) is None


def test_a_process_holds_memory_and_one_that_is_gone_holds_none():
    held = resident_bytes()
    assert held is not None and 1 << 20 < held < limit_bytes()
    assert resident_bytes(2**22 + 1) is None  # no process has an id this high
