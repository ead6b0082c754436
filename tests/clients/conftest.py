"""Servers for the real clients, and the clients' environments, which are created once per test session."""

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.clients.environment import Environment, install
from tests.clients.keys import KEY, SLOW_KEY, key_line
from tests.clients.suite import Suite
from tests.live import LiveServer, live_server

collect_ignore = ["suites"]  # the suites run in the clients' environments

FOLDER = Path(__file__).resolve().parent
ALIASES = "tales/old=demo,text-davinci-003=demo,gpt-3.5-turbo=demo"
INSTALLERS = 2  # pip is CPU-bound


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "environment(name): needs the client that requirements/<name>.txt installs")


@pytest.fixture(scope="session")
def guarded() -> Iterator[LiveServer]:
    """A server with API keys, one of which allows one request per minute."""
    keys = f"{key_line('suite', KEY)};{key_line('slow', SLOW_KEY, 'requests_per_minute=1')}"
    with live_server(preload="demo", keys=keys, model_aliases=ALIASES) as server:
        yield server


@pytest.fixture(scope="session")
def narrow() -> Iterator[LiveServer]:
    """A server without keys that accepts one request at a time."""
    with live_server(preload="demo", max_requests=1, ping_s=0.5) as server:
        yield server


@pytest.fixture(scope="session")
def environments(request: pytest.FixtureRequest) -> Iterator[dict[str, Environment]]:
    """The environments named in this session's marks; not in pytest's folders, which are kept and would be large."""
    marks = [mark for item in request.session.items for mark in item.iter_markers("environment")]
    names = sorted({name for mark in marks for name in mark.args})
    with TemporaryDirectory(prefix="inkwell-clients-") as root, ThreadPoolExecutor(INSTALLERS) as installers:
        made = installers.map(lambda name: install(name, Path(root, name)), names)
        yield dict(zip(names, made, strict=True))


@pytest.fixture(scope="session")
def runs(
    environments: dict[str, Environment],
    guarded: LiveServer,
    narrow: LiveServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Suite], dict[str, str]]:
    """Return a function that runs a suite once and returns the failure, or nothing, of each case."""
    kill = [sys.executable, str(FOLDER / "kill_worker.py"), str(narrow.process.pid)]
    variables = {
        "SUITE_URL": guarded.url,
        "SUITE_KEY": KEY,
        "SUITE_SLOW_KEY": SLOW_KEY,
        "SUITE_NARROW_URL": narrow.url,
        "SUITE_KILL_COMMAND": json.dumps(kill),
    }
    reports = tmp_path_factory.mktemp("reports")

    @cache
    def run(suite: Suite) -> dict[str, str]:
        return suite.run(environments[suite.environment], variables, reports / f"{suite.name}.xml")

    return run
