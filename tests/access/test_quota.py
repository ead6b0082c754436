"""Quotas: admitted and refused requests, and that a refusal states the right wait."""

import threading
import time

import pytest

from inkwell.access.keys import ANYONE, Client
from inkwell.access.quota import Quotas
from inkwell.errors import InvalidParameter, RateLimited

ALICE = Client("alice", frozenset({"infer"}), "alice")
BOB = Client("bob", frozenset({"infer"}), "bob")


def refused(take, *arguments: object) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        take(*arguments)
    return caught.value


def test_as_many_requests_as_the_limit_pass_and_no_more():
    quotas = Quotas(3, 0)
    for _ in range(3):
        quotas.take_request(ALICE)
    error = refused(quotas.take_request, ALICE)
    assert "3 requests a minute" in error.message
    assert 0 < error.retry_after_s <= 120


def test_clients_do_not_count_for_one_another():
    quotas = Quotas(1, 10)
    quotas.take_request(ALICE)
    quotas.take_tokens(ALICE, 10)
    quotas.take_request(BOB)
    quotas.take_tokens(BOB, 10)
    quotas.take_request(ANYONE)
    refused(quotas.take_request, ALICE)
    refused(quotas.take_tokens, BOB, 1)


def test_a_refused_request_costs_nothing():
    quotas = Quotas(0, 10)
    quotas.take_tokens(ALICE, 6)
    for _ in range(5):
        refused(quotas.take_tokens, ALICE, 5)
    quotas.take_tokens(ALICE, 4)


def test_a_request_that_could_never_pass_is_told_the_limit_and_not_to_wait():
    quotas = Quotas(0, 100)
    with pytest.raises(InvalidParameter, match="101 tokens.*100 a minute") as caught:
        quotas.take_tokens(ALICE, 101)
    assert caught.value.retry_after_s is None
    quotas.take_tokens(ALICE, 100)


def test_zero_is_no_limit():
    quotas = Quotas(0, 0)
    for _ in range(100):
        quotas.take_request(ALICE)
        quotas.take_tokens(ALICE, 10**9)


def test_a_client_s_own_limits_replace_the_common_ones():
    quotas = Quotas(1, 10)
    strong = Client("strong", frozenset({"infer"}), "strong", requests_per_minute=3, tokens_per_minute=0)
    weak = Client("weak", frozenset({"infer"}), "weak", tokens_per_minute=5)
    for _ in range(3):
        quotas.take_request(strong)
    quotas.take_tokens(strong, 10**6)
    refused(quotas.take_request, strong)
    quotas.take_request(weak)
    refused(quotas.take_request, weak)
    with pytest.raises(InvalidParameter, match="5 a minute"):
        quotas.take_tokens(weak, 6)


class Clock:
    """The time used by the windows; it replaces time.time, because the library accepts no clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, phase_s: float) -> None:
        self.now = 1_800_000_000 + phase_s
        monkeypatch.setattr(time, "time", lambda: self.now)


@pytest.mark.parametrize("phase_s", [0.0, 1.0, 29.9, 59.0])
@pytest.mark.parametrize("cost", [1, 7, 40, 99, 100])
def test_who_waits_as_long_as_told_passes_and_a_second_less_does_not(cost: int, phase_s: float, monkeypatch):
    clock = Clock(monkeypatch, phase_s)
    quotas = Quotas(0, 100)
    for taken in (60, 40):
        quotas.take_tokens(ALICE, taken)
    for _ in range(10):  # across several borders of the window
        wait_s = refused(quotas.take_tokens, ALICE, cost).retry_after_s
        assert 0 < wait_s <= 120.1
        clock.now += max(0.0, wait_s - 1)
        if wait_s > 1:
            refused(quotas.take_tokens, ALICE, cost)
        clock.now += min(wait_s, 1)
        quotas.take_tokens(ALICE, cost)
        with pytest.raises(RateLimited):  # use up what is left
            for _ in range(101):
                quotas.take_tokens(ALICE, 1)


def test_no_minute_sees_much_more_than_the_limit(monkeypatch):
    """The window slides: twice the limit at once, which a fixed window admits at its border, is refused."""
    clock = Clock(monkeypatch, 59.0)
    quotas = Quotas(100, 0)
    passed: list[float] = []
    for _ in range(1_800):
        clock.now += 0.1
        try:
            quotas.take_request(ALICE)
            passed.append(clock.now)
        except RateLimited:
            pass
    assert max(sum(now - 60 < then <= now for then in passed) for now in passed) <= 130
    assert len(passed) >= 200


def test_a_crowd_never_exceeds_the_limit():
    quotas = Quotas(20, 0)
    barrier = threading.Barrier(60)
    passed = []

    def take() -> None:
        barrier.wait()
        try:
            quotas.take_request(ALICE)
            passed.append(1)
        except RateLimited:
            pass

    threads = [threading.Thread(target=take) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 20
