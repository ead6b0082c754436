"""Admission: the limit on requests, and the drain flag."""

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from inkwell.access.admission import DRAIN_FLAG, LARGE_BYTES, MAX_LARGE, SPREAD, Admission
from inkwell.access.throughput import ThroughputEstimator
from inkwell.errors import InvalidBody, QueueFull, ShuttingDown


def enter(admission: Admission) -> ExitStack:
    """An admission that is held until `close`."""
    held = ExitStack()
    held.enter_context(admission.place())
    return held


def test_a_request_that_ends_in_an_error_frees_its_place():
    admission = Admission(1, None, ThroughputEstimator())
    with pytest.raises(TypeError), admission.place():
        raise TypeError
    assert admission.requests == 0


def test_no_more_than_the_limit_get_in_and_the_refusal_names_it():
    admission = Admission(2, None, ThroughputEstimator())
    with admission.place():
        with admission.place():
            with pytest.raises(QueueFull, match="^2 requests"):
                enter(admission)
            assert admission.requests == 2
        enter(admission)


def test_a_refusal_says_when_a_place_may_be_free_and_not_the_same_to_everybody():
    admission = Admission(1, None, ThroughputEstimator())
    held = enter(admission)
    waits = []
    for _ in range(50):
        with pytest.raises(QueueFull) as caught:
            enter(admission)
        waits.append(caught.value.retry_after_s)
    expected_s = ThroughputEstimator().wait_s()
    assert all(expected_s <= wait_s <= (1 + SPREAD) * expected_s for wait_s in waits)
    assert len(set(waits)) > 25
    held.close()


def test_leaving_twice_frees_one_place():
    admission = Admission(2, None, ThroughputEstimator())
    first, _ = enter(admission), enter(admission)
    first.close()
    first.close()
    assert admission.requests == 1


def test_a_refused_request_takes_no_place():
    admission = Admission(1, None, ThroughputEstimator())
    with admission.place():
        for _ in range(3):
            with pytest.raises(QueueFull):
                enter(admission)
    assert admission.requests == 0


def test_a_crowd_never_exceeds_the_limit():
    admission = Admission(5, None, ThroughputEstimator())
    barrier = threading.Barrier(40)
    admitted = []

    def try_to_enter() -> None:
        barrier.wait()
        try:
            admitted.append(enter(admission))
        except QueueFull:
            pass

    threads = [threading.Thread(target=try_to_enter) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == admission.requests == 5


def test_the_flag_in_the_state_folder_refuses_new_requests_and_keeps_the_running(tmp_path: Path):
    admission = Admission(2, tmp_path, ThroughputEstimator())
    running = enter(admission)
    (tmp_path / DRAIN_FLAG).touch()
    assert admission.draining
    with pytest.raises(ShuttingDown):
        enter(admission)
    assert admission.requests == 1
    running.close()
    (tmp_path / DRAIN_FLAG).unlink()
    assert not admission.draining


def test_without_a_state_folder_there_is_no_flag():
    assert not Admission(1, None, ThroughputEstimator()).draining


def test_so_many_large_requests_are_received_at_once_and_any_number_of_small_ones():
    admission = Admission(1, None, ThroughputEstimator())
    with ExitStack() as received:
        for _ in range(MAX_LARGE):
            received.enter_context(admission.receiving(LARGE_BYTES + 1))
        for _ in range(10 * MAX_LARGE):
            received.enter_context(admission.receiving(LARGE_BYTES))
        with (
            pytest.raises(QueueFull, match=f"^{MAX_LARGE} requests") as caught,
            admission.receiving(LARGE_BYTES + 1),
        ):
            pass
        assert caught.value.retry_after_s is not None and 1 <= caught.value.retry_after_s <= 1 + SPREAD
    with pytest.raises(InvalidBody), admission.receiving(LARGE_BYTES + 1):
        raise InvalidBody("what is received may be refused")
    with ExitStack() as received:
        for _ in range(MAX_LARGE):
            received.enter_context(admission.receiving(LARGE_BYTES + 1))
    assert admission.requests == 0
