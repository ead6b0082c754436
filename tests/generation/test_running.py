"""Running requests, and permission to cancel them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from inkwell.access.keys import ADMIN, INFER, Client
from inkwell.errors import RequestNotFound
from inkwell.generation.running import Running

ALICE = Client("alice", frozenset({INFER}), "alice")
BOB = Client("bob", frozenset({INFER}), "bob")
ROOT = Client("root", frozenset({INFER, ADMIN}), "root")


@pytest.fixture
def running() -> Running:
    return Running()


@pytest.fixture
def entries() -> Iterator[ExitStack]:
    """Entries that are kept open until the end of a test."""
    with ExitStack() as stack:
        yield stack


def noting(calls: list[str], name: str) -> Callable[[], None]:
    return lambda: calls.append(name)


def test_a_client_cancels_its_own_request_by_id(running: Running, entries: ExitStack):
    calls: list[str] = []
    entries.enter_context(running.entry("one", ALICE, noting(calls, "one")))
    entries.enter_context(running.entry("two", ALICE, noting(calls, "two")))
    assert running.cancel("two", ALICE) == 1
    assert calls == ["two"]


@pytest.mark.parametrize("request_id", ["one", "nobody's"])
def test_anothers_request_is_as_unknown_as_one_that_is_not_there(running: Running, entries: ExitStack, request_id: str):
    calls: list[str] = []
    entries.enter_context(running.entry("one", ALICE, noting(calls, "one")))
    with pytest.raises(RequestNotFound, match="^no request of this id is running or waiting$"):
        running.cancel(request_id, BOB)
    assert calls == []


def test_an_administrator_cancels_anybodys(running: Running, entries: ExitStack):
    calls: list[str] = []
    entries.enter_context(running.entry("one", ALICE, noting(calls, "alice's")))
    entries.enter_context(running.entry("one", BOB, noting(calls, "bob's")))
    assert running.cancel("one", ROOT) == 2
    assert sorted(calls) == ["alice's", "bob's"]


def test_an_id_that_was_used_twice_means_both(running: Running, entries: ExitStack):
    calls: list[str] = []
    entries.enter_context(running.entry("one", ALICE, noting(calls, "first")))
    entries.enter_context(running.entry("one", ALICE, noting(calls, "second")))
    assert running.cancel("one", ALICE) == 2
    assert calls == ["first", "second"]


def test_a_request_that_has_left_cannot_be_cancelled(running: Running, entries: ExitStack):
    calls: list[str] = []
    with running.entry("one", ALICE, noting(calls, "first")):
        entries.enter_context(running.entry("one", ALICE, noting(calls, "second")))
    assert running.cancel("one", ALICE) == 1
    assert calls == ["second"]


def test_a_request_may_leave_while_it_is_cancelled(running: Running, entries: ExitStack):
    entries.enter_context(running.entry("one", ALICE, entries.close))
    assert running.cancel("one", ALICE) == 1
    with pytest.raises(RequestNotFound):
        running.cancel("one", ALICE)
