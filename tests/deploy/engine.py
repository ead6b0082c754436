"""A real container engine: podman, on the storage in which the image was built, with temporary state.

Containers share this machine's network, because published ports would leave a bridge and firewall rules behind.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.deploy.container import Image

PODMAN = Path(sys.prefix, "bin/podman")  # installed there by the Makefile
LIMIT_S = 120.0
CGROUPS = Path("/sys/fs/cgroup")
# Debian's crun does not support control groups of both versions at once, and systemd is not needed. A machine may
# refuse limits above its own, which podman would request. Container output goes into files: podman uses a journal
# if there is one, and what tests read back would depend on the machine.
SETTINGS = """
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
log_driver = "k8s-file"
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
tmp_dir = "{folder}"
[network]
network_config_dir = "{folder}"
"""


@dataclass(frozen=True, slots=True)
class Engine:
    """Podman with its environment."""

    variables: Mapping[str, str]

    def run(self, *arguments: str | Path) -> str:
        """Run podman with these arguments and return its output; fails unless it succeeds."""
        done = self.tried(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def tried(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run podman with these arguments, ignoring its exit status."""
        command = [str(PODMAN), *map(str, arguments)]
        return subprocess.run(
            command, env=dict(self.variables), capture_output=True, text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL
        )


@dataclass(frozen=True, slots=True)
class Running:
    """A container of an engine, with the address of its service."""

    engine: Engine
    name: str
    url: str

    @property
    def state(self) -> dict[str, Any]:
        (inspected,) = json.loads(self.engine.run("container", "inspect", self.name))
        return inspected["State"]

    def workers(self) -> list[psutil.Process]:
        family = psutil.Process(self.state["Pid"]).children(recursive=True)
        return [process for process in family if "inkwell.worker" in process.cmdline()]

    def logs(self) -> str:
        done = self.engine.tried("logs", self.name)
        return done.stdout + done.stderr

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self.engine.tried("exec", self.name, *command)

    def wait_for(self, path: str, status: int) -> None:
        """Wait until the service answers with this status, at most LIMIT_S."""
        deadline = time.monotonic() + LIMIT_S
        while self._status(path) != status:
            assert time.monotonic() < deadline and self.state["Pid"], self.logs()
            time.sleep(0.1)

    def _status(self, path: str) -> int | None:
        try:
            return requests.get(self.url + path, timeout=10).status_code
        except (requests.ConnectionError, requests.Timeout):
            return None


@contextmanager
def podman(image: Image) -> Iterator[Engine]:
    """Provide the engine, which has the image; remove all containers and volumes at the end."""
    folder = Path(image.variables["CONTAINERS_STORAGE_CONF"]).parent / "podman"  # the storage records its driver
    folder.mkdir(exist_ok=True)
    files, processes = _most(resource.RLIMIT_NOFILE, "fs/nr_open"), _most(resource.RLIMIT_NPROC, "kernel/pid_max")
    (folder / "containers.conf").write_text(SETTINGS.format(folder=folder, files=files, processes=processes))
    engine = Engine({**image.variables, "CONTAINERS_CONF": str(folder / "containers.conf")})
    with ExitStack() as ends:  # in reverse order, each even if another fails
        ends.callback(_remove_groups_but, set(_groups()))
        ends.callback(engine.run, "volume", "rm", "--all")
        ends.callback(engine.run, "rm", "--all", "--force", "--time", "0")
        ends.callback(engine.run, "pod", "rm", "--all", "--force", "--time", "0")
        yield engine


def _most(kind: int, system: str) -> int:
    """Return the limit that podman may give its containers: ours, or the system's if we have none."""
    own, most = resource.getrlimit(kind)[1], int(Path("/proc/sys", system).read_text())
    return most if own == resource.RLIM_INFINITY else min(own, most)


def _remove_groups_but(kept: set[Path]) -> None:
    for group in sorted(set(_groups()) - kept, reverse=True):
        with suppress(OSError):  # in use by another podman
            group.rmdir()


def _groups() -> Iterator[Path]:
    """Podman's control groups, in every hierarchy."""
    for top in [CGROUPS / "libpod_parent", *CGROUPS.glob("*/libpod_parent")]:
        yield from (Path(folder) for folder, _, _ in os.walk(top))
