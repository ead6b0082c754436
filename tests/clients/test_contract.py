"""The published specification against the service with Apache: no server errors, and no undocumented replies."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.clients.contract import ContractReport, check_contract
from tests.clients.environment import Environment
from tests.clients.keys import KEY, key_line
from tests.live import LiveServer, live_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.environment("schemathesis")]
BOUNDS = {"preload": "demo", "max_samples": 4, "max_tokens_per_request": 64, "request_timeout_s": 20}


@pytest.fixture(scope="module")
def open_server() -> Iterator[LiveServer]:
    with live_server(**BOUNDS) as server:
        yield server


@pytest.fixture(scope="module")
def keyed_server() -> Iterator[LiveServer]:
    with live_server(**BOUNDS, keys=key_line("suite", KEY)) as server:
        yield server


def held(report: ContractReport, server: LiveServer) -> None:
    assert report.clean, report.output
    paths = requests.get(f"{server.url}/apispec_1.json", timeout=60).json()["paths"]
    assert report.operations == sum(map(len, paths.values())) > 0, report.output
    # The status does not show whether a stream failed, but the log does. Some requests have a time limit of zero.
    errors = [line for line in server.logs().splitlines() if '"level": "ERROR"' in line]
    assert [line for line in errors if "deadline_exceeded" not in line] == []


def test_an_open_service_does_what_is_published(
    environments: dict[str, Environment], open_server: LiveServer, tmp_path: Path
):
    report = check_contract(environments["schemathesis"], open_server.url, tmp_path, "--max-examples=15")
    held(report, open_server)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((f"--header=X-Api-Key:{KEY}", "--phases=examples,fuzzing", "--max-examples=5"), id="with a key"),
        pytest.param(("--phases=examples,fuzzing", "--max-examples=5"), id="without a key"),
    ],
)
def test_a_service_with_keys_does_what_is_published(
    environments: dict[str, Environment], keyed_server: LiveServer, tmp_path: Path, options: tuple[str, ...]
):
    held(check_contract(environments["schemathesis"], keyed_server.url, tmp_path, *options), keyed_server)
