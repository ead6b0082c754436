"""Fixtures of the Python suites: the servers, and ways to keep one busy or to crash it.

Runs in the clients' environments: nothing but pytest and Python's own library may be imported here.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Timer
from urllib.request import Request, urlopen

import pytest

FREE_AFTER_S = 0.4
LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Narrow:
    """A server without keys that accepts one request at a time."""

    url: str
    kill_command: tuple[str, ...]

    def requests(self) -> int:
        """The number of admitted requests."""
        with urlopen(f"{self.url}/readyz", timeout=LIMIT_S) as response:
            return json.load(response)["requests"]

    def wait_until_free(self) -> None:
        deadline = time.monotonic() + LIMIT_S
        while self.requests():
            assert time.monotonic() < deadline, "the request was never ended"
            time.sleep(0.02)

    @contextmanager
    def busy(self) -> Iterator[Callable[[], None]]:
        """Occupy the server's only place until the block ends or the yielded function is called."""
        body = {"prompt": "Once upon a time", "max_tokens": 900, "ignore_eos": True, "stream": True}
        request = Request(f"{self.url}/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with ExitStack() as closers:
            response = closers.enter_context(urlopen(request, timeout=LIMIT_S))
            assert response.readline().startswith(b"data: ")
            yield closers.close
        self.wait_until_free()

    @contextmanager
    def busy_for_a_moment(self) -> Iterator[None]:
        """The same, but the place is released while the block is still running."""
        with self.busy() as end:
            timer = Timer(FREE_AFTER_S, end)
            timer.start()
            try:
                yield
            finally:
                timer.join()

    def kill_workers(self) -> None:
        subprocess.run(self.kill_command, check=True, timeout=LIMIT_S)


@pytest.fixture(scope="session")
def url() -> str:
    """A server with API keys."""
    return os.environ["SUITE_URL"]


@pytest.fixture(scope="session")
def key() -> str:
    """A key without limits."""
    return os.environ["SUITE_KEY"]


@pytest.fixture(scope="session")
def slow_key() -> str:
    """A key that allows one request per minute."""
    return os.environ["SUITE_SLOW_KEY"]


@pytest.fixture
def narrow() -> Iterator[Narrow]:
    """The server is idle before and after each case."""
    server = Narrow(os.environ["SUITE_NARROW_URL"], tuple(json.loads(os.environ["SUITE_KILL_COMMAND"])))
    server.wait_until_free()
    yield server
    server.wait_until_free()
