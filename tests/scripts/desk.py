"""The setup of the download tests: a hub with one repository, a models directory, and the real script as a process."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inkwell.checkpoints.catalog import scan
from tests.scripts.checkpoints import command, environment, run
from tests.scripts.hub import HELD_AFTER, Fault, HubImitation, Repository, sha256

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BLOB = "/blobs/acme/tiny/model.safetensors"
API = "/api/models/acme/tiny"
Finished = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Desk:
    """A hub with one repository, an empty models directory, and the script."""

    hub: HubImitation
    models: Path
    home: Path

    @property
    def target(self) -> Path:
        return self.models / "tiny"

    @property
    def gathering(self) -> Path:
        return self.models / ".incoming" / "tiny" / COMMIT

    @property
    def repository(self) -> Repository:
        return self.hub.repositories["acme/tiny"]

    def partial(self) -> Path:
        checksum = sha256(self.repository.files["model.safetensors"])
        return self.gathering / f"model.safetensors.{checksum[:16]}.part"

    def environment(self, **more: str) -> dict[str, str]:
        return environment(more.pop("endpoint", self.hub.url), self.home, **more)

    def download(self, *arguments: str, prepare: Callable[[], None] | None = None, **more: str) -> Finished:
        names = arguments or ("acme/tiny",)
        return run(command(self.models, *names), self.environment(**more), prepare)

    def start(self, *prefix: str, **more: str) -> subprocess.Popen[str]:
        """Start the script with timeouts long enough for a response that the test delays."""
        arguments = [sys.executable, *prefix, *command(self.models, "acme/tiny")[1:]]
        patient = self.environment(HF_HUB_DOWNLOAD_TIMEOUT="30", **more)
        # A new session has no terminal, as in a container: there, SIGWINCH means stop.
        return subprocess.Popen(arguments, env=patient, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def start_held(self, hold: threading.Event, *prefix: str) -> subprocess.Popen[str]:
        """Start the script and wait until it is in the middle of the weights, where it stays until `hold` is set."""
        self.hub.faults[BLOB] = [Fault(hold=hold)]
        process = self.start(*prefix)
        deadline = time.monotonic() + 60
        while not (self.partial().exists() and self.partial().stat().st_size > HELD_AFTER // 2):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        return process


def assert_whole(desk: Desk) -> None:
    """The model is complete, byte for byte, and no other files are left."""
    for path in desk.target.iterdir():
        assert path.name == "inkwell.json" or path.read_bytes() == desk.repository.files[path.name]
    assert scan(desk.models)["tiny"].state == "available"
    assert list((desk.models / ".incoming").iterdir()) == []


def assert_refused(done: Finished, *words: str) -> None:
    """Exit status 1, and a last line with the reason and advice."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    for word in ("download_model: ", *words):
        assert word in last
