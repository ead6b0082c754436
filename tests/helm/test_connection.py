"""The program of the `helm test` pod, against the real service."""

import hashlib
import subprocess
import sys

import pytest

from tests.helm.chart import FOLDER, OPEN, Chart
from tests.live import live_server

pytestmark = [pytest.mark.slow, pytest.mark.parallel]
KEY_LINE = f"tales {hashlib.sha256(b'ink-x').hexdigest()} infer"


def ask(chart: Chart, values: dict, url: str) -> subprocess.CompletedProcess[str]:
    """Run the pod's program with another address."""
    (container,) = chart.render(values).one("Pod")["spec"]["containers"]
    _, option = container["command"]
    script, address, access = container["args"]
    assert address == "http://inkwell:80"
    command = [sys.executable, option, script, url, access]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_service_is_what_the_release_says_it_is(chart: Chart):
    keyed = {"apiKeys": {"existingSecret": "keys"}}
    with live_server() as server:
        assert ask(chart, OPEN, server.url).returncode == 0
        wrong = ask(chart, keyed, server.url)
        assert wrong.returncode == 1 and "/models 200 instead of 401" in wrong.stdout
    with live_server(keys=KEY_LINE) as server:
        assert ask(chart, keyed, server.url).returncode == 0
        assert ask(chart, OPEN, server.url).returncode == 1


def test_the_pods_program_is_the_file(chart: Chart):
    (container,) = chart.render(OPEN).one("Pod")["spec"]["containers"]
    assert container["args"][0].strip() == (FOLDER / "files" / "connection.py").read_text().strip()
