"""Servers for the real clients, and their environments, which are made once for all tests that are to run."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.clients.environment import Environment, install
from tests.clients.keys import KEY, SLOW_KEY, key_line
from tests.clients.suite import SUITES_BY_NAME
from tests.live import LiveServer, live_server

collect_ignore = ["suites"]  # they run in their clients' environments

FOLDER = Path(__file__).resolve().parent
ALIASES = "tales/old=demo,text-davinci-003=demo,gpt-3.5-turbo=demo"
INSTALLERS = 2  # pip computes more than it downloads


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "environment(name): needs the client that requirements/<name>.txt installs")


@pytest.fixture(scope="session")
def guarded() -> Iterator[LiveServer]:
    """A server that asks for keys; one of them is good for one request a minute."""
    keys = f"{key_line('suite', KEY)};{key_line('slow', SLOW_KEY, 'requests_per_minute=1')}"
    with live_server(preload="demo", keys=keys, model_aliases=ALIASES) as server:
        yield server


@pytest.fixture(scope="session")
def narrow() -> Iterator[LiveServer]:
    """A server that takes one request at a time and asks for no key."""
    with live_server(preload="demo", max_requests=1, ping_s=0.5) as server:
        yield server


@pytest.fixture(scope="session")
def environments(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Environment]:
    """By name, those that the tests of this session name in their mark."""
    marks = [mark for item in request.session.items for mark in item.iter_markers("environment")]
    names = sorted({name for mark in marks for name in mark.args})
    root = tmp_path_factory.mktemp("clients")
    with ThreadPoolExecutor(INSTALLERS) as installers:
        return dict(zip(names, installers.map(lambda name: install(name, root / name), names), strict=True))


@pytest.fixture(scope="session")
def outcomes(
    request: pytest.FixtureRequest,
    environments: dict[str, Environment],
    guarded: LiveServer,
    narrow: LiveServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """What became of each case of the suite that the test is about: what failed, or nothing."""
    suite = SUITES_BY_NAME[request.param]
    variables = {
        "SUITE_URL": guarded.url,
        "SUITE_KEY": KEY,
        "SUITE_SLOW_KEY": SLOW_KEY,
        "SUITE_NARROW_URL": narrow.url,
        "SUITE_KILL_COMMAND": json.dumps([sys.executable, str(FOLDER / "kill_worker.py"), str(narrow.process.pid)]),
    }
    report = tmp_path_factory.mktemp(suite.name) / "report.xml"
    return suite.run(environments[suite.environment], variables, report)
