"""One real server for the tests of this folder that do not stop it."""

from collections.abc import Iterator

import pytest

from tests.live import LiveServer, live_server


@pytest.fixture(scope="session")
def server() -> Iterator[LiveServer]:
    with live_server(log_level="debug") as running:
        yield running
