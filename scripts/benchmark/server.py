"""Runs a complete Inkwell server: the launcher, Apache, the web tier and a worker, on a free loopback port."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from scripts.benchmark.processes import command_of, descendants

PROJECT_ROOT = Path(__file__).resolve().parents[2]
COPIES = Path("/var/lib/inkwell")  # root's environment; Apache serves from copies there
START_LIMIT_S = 600.0
STOP_LIMIT_S = 60.0


class Server:
    """A server started by the constructor, which returns when it is ready; `close` stops it."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._log = tempfile.TemporaryFile()
        variables = {name: value for name, value in os.environ.items() if not name.startswith("INKWELL_")}
        variables |= {f"INKWELL_{name.upper()}": value for name, value in {"port": str(port), **settings}.items()}
        # The launcher ends with this process, even if this process is killed.
        command = ["/usr/bin/setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "inkwell", *_stage()]
        self.started_s = time.monotonic()
        self._launcher = subprocess.Popen(
            command,
            cwd=PROJECT_ROOT / "service",
            env=variables,
            start_new_session=True,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    @property
    def workers(self) -> tuple[int, ...]:
        """The worker processes of the loaded models."""
        return tuple(pid for pid in descendants(self._launcher.pid) if "inkwell.worker" in command_of(pid))

    @property
    def others(self) -> tuple[int, ...]:
        """The launcher, Apache and the web tier."""
        return (self._launcher.pid, *(pid for pid in descendants(self._launcher.pid) if pid not in self.workers))

    def close(self) -> None:
        for _ in range(2):  # a second signal aborts running requests
            if self._launcher.poll() is None:
                self._launcher.send_signal(signal.SIGTERM)
                try:
                    self._launcher.wait(STOP_LIMIT_S)
                except subprocess.TimeoutExpired:
                    continue
        self._log.close()

    def _wait_until_ready(self) -> None:
        deadline_s = self.started_s + START_LIMIT_S
        while (status := self._status()) != "ready":
            if status == "not_ready" or self._launcher.poll() is not None or time.monotonic() > deadline_s:
                self._log.seek(0)
                raise RuntimeError(f"Inkwell did not start: {self._log.read().decode(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def _status(self) -> str:
        """Return the status of /readyz: loading, ready, or not_ready if the model cannot be loaded."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return str(json.load(answer)["status"])
        except urllib.error.HTTPError as error:
            return str(json.load(error)["status"]) if error.code == 503 else "loading"
        except (OSError, ValueError, KeyError):  # Apache or the web tier has not started yet
            return "loading"


def _stage() -> list[str]:
    beside = Path(sys.prefix).parent
    return ["--stage", str(beside)] if beside.parent == COPIES else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
