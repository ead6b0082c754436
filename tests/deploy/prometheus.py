"""A real Prometheus for tests, on a free loopback port, with the given configuration."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.live import free_port

START_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the series of an instant query."""
        response = requests.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=10)
        assert response.status_code == 200, f"{query}: {response.text}"
        return response.json()["data"]["result"]

    def wait_for(self, query: str, timeout_s: float = 30) -> list[dict[str, Any]]:
        """Return the series of a query once there are any, or none after a timeout."""
        deadline = time.monotonic() + timeout_s
        while not (found := self.ask(query)) and time.monotonic() < deadline:
            time.sleep(0.5)
        return found


@contextmanager
def running_prometheus(config: dict[str, Any]) -> Iterator[Prometheus]:
    """Start it with this configuration, wait until it answers, and end it."""
    with tempfile.TemporaryDirectory() as folder:
        file, port = Path(folder, "prometheus.yml"), free_port()
        file.write_text(json.dumps(config))  # JSON is YAML
        command = [
            program("prometheus"),
            f"--config.file={file}",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        process = subprocess.Popen(["/usr/bin/setpriv", "--pdeathsig", "KILL", *command])
        try:
            _wait_ready(f"http://127.0.0.1:{port}", process)
            yield Prometheus(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(30)


def promtool(*arguments: str, text: str = "") -> str:
    """Run promtool and return its output; fails with the output unless it succeeds."""
    done = subprocess.run([program("promtool"), *arguments], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def program(name: str) -> str:
    """Return the path of a Prometheus program: next to our interpreter, where make puts it, or installed."""
    found = shutil.which(name, path=f"{sys.prefix}/bin:{os.environ['PATH']}")
    assert found, f"{name} is missing; make test fetches it"
    return found


def _wait_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        assert process.poll() is None and time.monotonic() < deadline, "Prometheus does not start"
        try:
            if requests.get(f"{url}/-/ready", timeout=1).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
