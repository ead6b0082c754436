"""The throughput estimate: measured tokens per second, and the wait that results from reserved tokens."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from inkwell.access.throughput import GAP_S, LONGEST_S, SHORTEST_S, UNKNOWN_S, ThroughputEstimator
from tests.clock import Clock


@pytest.fixture
def promises() -> Iterator[ExitStack]:
    """Reservations that are kept open until the end of a test."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def clock() -> Clock:
    return Clock()


def work(
    throughput: ThroughputEstimator, clock: Clock, tokens_per_s: float, seconds: float, step_s: float = 0.1
) -> None:
    for _ in range(round(seconds / step_s)):
        clock.now += step_s
        throughput.note(round(tokens_per_s * step_s))


def test_before_anything_was_measured_the_wait_is_a_guess(clock: Clock, promises: ExitStack):
    throughput = ThroughputEstimator(clock)
    assert throughput.wait_s() == UNKNOWN_S
    promises.enter_context(throughput.promise(10_000))
    assert throughput.wait_s() == UNKNOWN_S


def test_the_wait_is_the_time_of_one_average_request(clock: Clock, promises: ExitStack):
    throughput = ThroughputEstimator(clock)
    promises.enter_context(throughput.promise(1_000))
    promises.enter_context(throughput.promise(3_000))
    work(throughput, clock, tokens_per_s=200, seconds=20)
    assert throughput.wait_s() == pytest.approx(2_000 / 200, rel=0.05)


def test_a_new_speed_replaces_an_old_one(clock: Clock, promises: ExitStack):
    throughput = ThroughputEstimator(clock)
    promises.enter_context(throughput.promise(2_000))
    work(throughput, clock, tokens_per_s=1_000, seconds=60)
    work(throughput, clock, tokens_per_s=100, seconds=150)
    assert throughput.wait_s() == pytest.approx(2_000 / 100, rel=0.1)


def test_the_end_of_a_request_takes_its_promise_away_once(clock: Clock, promises: ExitStack):
    throughput = ThroughputEstimator(clock)
    end = ExitStack()
    end.enter_context(throughput.promise(9_000))
    promises.enter_context(throughput.promise(1_000))
    work(throughput, clock, tokens_per_s=200, seconds=20)
    assert throughput.wait_s() == pytest.approx(5_000 / 200, rel=0.05)
    end.close()
    end.close()
    assert throughput.wait_s() == pytest.approx(1_000 / 200, rel=0.05)


def test_an_idle_hour_and_a_loading_model_do_not_slow_the_pace_down(clock: Clock, promises: ExitStack):
    throughput = ThroughputEstimator(clock)
    end = ExitStack()
    end.enter_context(throughput.promise(1_000))
    work(throughput, clock, tokens_per_s=200, seconds=30)
    end.close()
    clock.now += 3_600
    promises.enter_context(throughput.promise(1_000))
    clock.now += 60  # waiting for a model to load
    work(throughput, clock, tokens_per_s=200, seconds=1)
    assert throughput.wait_s() == pytest.approx(1_000 / 200, rel=0.05)
    clock.now += 60  # another model loads while the first one generates nothing
    throughput.note(20)
    assert throughput.wait_s() <= 1_000 / 200 * (1 + GAP_S / 15)


def test_the_answer_stays_within_what_clients_heed(clock: Clock, promises: ExitStack):
    throughput = ThroughputEstimator(clock)
    end = ExitStack()
    end.enter_context(throughput.promise(10**6))
    work(throughput, clock, tokens_per_s=100, seconds=10)
    assert throughput.wait_s() == LONGEST_S
    end.close()
    promises.enter_context(throughput.promise(1))
    assert throughput.wait_s() == SHORTEST_S


def test_who_queues_waits_for_what_all_of_them_were_promised(clock: Clock, promises: ExitStack):
    throughput = ThroughputEstimator(clock)
    promises.enter_context(throughput.promise(3_000, texts=2))
    promises.enter_context(throughput.promise(1_000, texts=2))
    work(throughput, clock, tokens_per_s=200, seconds=20)
    assert throughput.queue_s(3) == pytest.approx(3 * 1_000 / 200, rel=0.05)
    # without a bound: an autoscaler must see how long the queue is
    assert throughput.queue_s(30) == pytest.approx(10 * throughput.queue_s(3))
    assert throughput.queue_s(0) == 0


def test_without_a_measured_speed_each_of_a_queue_counts_the_same(clock: Clock):
    throughput = ThroughputEstimator(clock)
    end = ExitStack()
    end.enter_context(throughput.promise(9_000))
    assert (throughput.queue_s(0), throughput.queue_s(4)) == (0, 4 * UNKNOWN_S)
    end.close()
    assert throughput.queue_s(4) == 4 * UNKNOWN_S
