"""A complete Inkwell for tests: the launcher, Apache and the application, on a free loopback port.

    with live_server(max_requests=2) as server:
        requests.get(f"{server.url}/readyz")

Without `models_dir` it serves the project's own models folder, with the demo checkpoint. Keywords are settings.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

PROJECT_ROOT = Path(__file__).resolve().parent.parent
COPIES = Path("/var/lib/inkwell")
START_LIMIT_S = 60.0
STOP_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class LiveServer:
    """A launcher that has reported that it is ready, and the processes it started."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    log_path: Path

    def logs(self) -> str:
        return self.log_path.read_text(errors="replace")

    def httpd(self) -> psutil.Process:
        """Apache's first process, the parent of all others."""
        return psutil.Process(self.process.pid).children()[0]

    def family(self) -> list[psutil.Process]:
        """All processes that the launcher started, directly or indirectly."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def workers(self) -> list[psutil.Process]:
        return [process for process in self.family() if "inkwell.worker" in process.cmdline()]

    def run_folder(self) -> Path:
        """The run folder of this start, taken from httpd's command line."""
        command = self.httpd().cmdline()
        return Path(command[command.index("-f") + 1]).parent

    def wait(self) -> int:
        """Wait for the launcher to end and return its exit status."""
        return self.process.wait(STOP_LIMIT_S)


@contextmanager
def live_server(models_dir: Path | None = None, ready: str = "ready after", **settings: object) -> Iterator[LiveServer]:
    """Start the launcher and wait until it prints `ready`; at the end, check that none of its processes is left."""
    values = {**settings, **({"models_dir": models_dir} if models_dir else {})}
    with tempfile.TemporaryDirectory() as folder:
        log_path = Path(folder, "log")
        port = free_port()
        with log_path.open("wb") as log:
            process = start_launcher({"port": port, **values}, stdout=log, stderr=subprocess.STDOUT)
        server = LiveServer(f"http://127.0.0.1:{port}", port, process, log_path)
        try:
            _wait_for(server, ready)
            yield server
        finally:
            _end(server)


def start_launcher(settings: dict[str, object], **options: object) -> subprocess.Popen[bytes]:
    """Start `python -m inkwell` like make, with only these settings."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("INKWELL_")}
    variables |= {f"INKWELL_{name.upper()}": str(value) for name, value in settings.items()}
    # The launcher ends with the tests, even if they are killed.
    command = ["/usr/bin/setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "inkwell", *_stage()]
    # A new session has no terminal, as in a container: there, SIGWINCH means stop.
    return subprocess.Popen(command, cwd=PROJECT_ROOT / "service", env=variables, start_new_session=True, **options)  # type: ignore


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def public_folder() -> Iterator[Path]:
    """A temporary folder that Apache's account can access, unlike pytest's, which are private."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def as_nobody_special() -> Iterator[None]:
    """Drop root's privilege to read all files."""
    own = os.geteuid()
    os.seteuid(own or 65534)
    try:
        yield
    finally:
        os.seteuid(own)


def _stage() -> list[str]:
    """Return --stage for root's environment, which is next to the copies that Apache serves (see Makefile)."""
    beside = Path(sys.prefix).parent
    return ["--stage", str(beside)] if beside.parent == COPIES else []


def _wait_for(server: LiveServer, text: str) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while text not in server.logs():
        assert server.process.poll() is None, server.logs()
        assert time.monotonic() < deadline, server.logs()
        time.sleep(0.02)


def _end(server: LiveServer) -> None:
    if server.process.poll() is not None:
        return
    server.process.send_signal(signal.SIGTERM)
    try:
        server.process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        server.process.send_signal(signal.SIGTERM)  # the second one aborts running requests
        server.process.wait(STOP_LIMIT_S)
