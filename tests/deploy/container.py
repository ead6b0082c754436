"""Runs the image without a container engine, in its own namespaces, as a strict cluster would run it.

The command is process 1, without capabilities or a way to gain any; the root is read-only, and only /tmp and /run are
writable. User, command, environment and stop signal are those of the image. The network is the machine's.
"""

import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from tests.live import free_port

START_LIMIT_S = 90.0
DEVICES = ("null", "zero", "full", "random", "urandom")

# $1 is the image's root, $2 has a line for each mount; the rest is the command, to be run inside.
ENTER = f"""
set -e
root=$1; mounts=$2; shift 2
printf %s "$mounts" | while read -r source target rights; do mkdir -p "$root$target"; done
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in {" ".join(DEVICES)}; do touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
printf %s "$mounts" | while read -r source target rights; do
    mount --bind "$source" "$root$target"
    mount -o "remount,bind,$rights" "$root$target"
done
exec chroot "$root" "$@"
"""


@dataclass(frozen=True, slots=True)
class Image:
    """A built image: its root folder, its configuration, and its name in the engines' storage."""

    root: Path
    config: dict[str, Any]
    name: str
    variables: dict[str, str]  # environment of an engine, which selects the storage

    @property
    def command(self) -> list[str]:
        return [*(self.config.get("Entrypoint") or []), *self.config["Cmd"]]

    @property
    def user(self) -> str:
        return self.config["User"]

    @property
    def stop_signal(self) -> signal.Signals:
        return signal.Signals[self.config["StopSignal"]]

    def inside(self, command: Sequence[str], user: str, variables: dict[str, str]) -> list[str]:
        """Return the arguments of chroot that run a command as the image's user in its working folder."""
        uid, gid = user.split(":")
        environment = [*self.config["Env"], *(f"{name}={value}" for name, value in variables.items())]
        return [
            "/usr/bin/setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups",
            "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs",
            "/usr/bin/env", "-i", "-C", self.config["WorkingDir"], *environment, *command,
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of this machine mounted in a container."""

    source: Path
    target: str
    rights: Literal["rw", "ro"] = "rw"


@dataclass(frozen=True, slots=True)
class Container:
    """A running container; `writable` is the folder with its /tmp and /run on this machine."""

    image: Image
    url: str
    writable: Path
    outside: subprocess.Popen[bytes]  # exits together with process 1, with the same status
    variables: dict[str, str]

    @property
    def launcher(self) -> psutil.Process:
        """Process 1 of the container."""
        return psutil.Process(self.outside.pid).children()[0]

    def logs(self) -> str:
        return (self.writable / "log").read_text(errors="replace")

    def family(self) -> list[psutil.Process]:
        return [self.launcher, *self.launcher.children(recursive=True)]

    def workers(self) -> list[psutil.Process]:
        return [process for process in self.family() if "inkwell.worker" in process.cmdline()]

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run another command in the container, as engines do for health checks."""
        inside = self.image.inside(command, self.image.user, self.variables)
        enter = ["nsenter", f"--target={self.launcher.pid}", "--mount", "--pid", "--root"]
        return subprocess.run([*enter, *inside], capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def container(
    image: Image, command: Sequence[str] = (), user: str = "", ready: str = "ready after", **variables: str
) -> Iterator[Container]:
    """Run the image's command, or another one, without keys until it prints `ready`; then like `started`."""
    variables = {"INKWELL_OPEN": "1", "INKWELL_PORT": str(free_port()), **variables}
    with started(image, command or image.command, variables, user=user, ready=ready) as running:
        yield running


@contextmanager
def started(
    image: Image, command: Sequence[str], variables: dict[str, str], mounts: Sequence[Mount] = (),
    user: str = "", ready: str = "",
) -> Iterator[Container]:  # fmt: skip
    """Run a command until it prints `ready`, with a /tmp and a /run; kill what is still running at the end."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        writable = Path(folder)
        own = [Mount(writable / name, f"/{name}") for name in ("tmp", "run")]
        for mount in own:
            mount.source.mkdir()
            mount.source.chmod(0o1777)
        lines = "".join(f"{mount.source} {mount.target} {mount.rights}\n" for mount in (*own, *mounts))
        inside = image.inside(command, user or image.user, variables)
        with (writable / "log").open("wb") as log:
            outside = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork",
                 "sh", "-c", ENTER, "sh", str(image.root), lines, *inside],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            _wait_for(ready, writable / "log", outside)
            url = f"http://127.0.0.1:{variables.get('PORT') or variables.get('INKWELL_PORT')}"
            yield Container(image, url, writable, outside, variables)
        finally:
            _end(outside)


def _end(outside: subprocess.Popen[bytes]) -> None:
    """Kill process 1 and with it its namespace; killing its parent would not end processes of other users."""
    inside = psutil.Process(outside.pid).children() if outside.poll() is None else []
    for process in inside:
        process.kill()
    outside.kill()
    outside.wait()
    _, alive = psutil.wait_procs(inside, timeout=10)
    assert not alive, alive


def read_config(inspected: str) -> dict[str, Any]:
    """Parse the configuration printed by `buildah inspect --type image`."""
    return json.loads(inspected)["Docker"]["config"]


def procfile_command(text: str, process: str) -> list[str]:
    """Return the command of a process type, run by a shell, as platforms with Procfiles do."""
    lines = dict(line.split(": ", 1) for line in text.splitlines() if line)
    return ["/bin/sh", "-c", lines[process]]


def _wait_for(text: str, log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    ended = False
    while text not in (output := log.read_text(errors="replace")):
        assert not ended and time.monotonic() < deadline, output
        time.sleep(0.05)
        ended = process.poll() is not None  # read its last output again
