"""The private folder of one start: httpd.conf, pid file, sockets, drain flag, refusals.

A context manager creates and removes it. If a launcher was killed, the next one removes its folder. The folder's name
also identifies the processes of a start: all of them inherit it in their environment, and no other process has it.
Process groups and parents would not identify them, because workers have their own sessions and orphans a new parent.
"""

import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inkwell.apache.account import open_to_group
from inkwell.errors import SettingsError

PREFIX = "inkwell-run-"
VARIABLE = "INKWELL_STATE_DIR"
SETTLED_S = 60  # a younger folder may have been created and not locked yet


@contextmanager
def run_folder(parent: Path) -> Iterator[Path]:
    """A new folder below `parent` without access for other users, locked for as long as its launcher runs.

    The lock also prevents its removal by systemd-tmpfiles.
    """
    _remove_abandoned(parent)
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    except OSError as error:
        raise SettingsError(f"no folder for this run can be made in {parent}: {error.strerror}") from error
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        open_to_group(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def end_orphans(run_dir: Path) -> None:
    """SIGKILL to every process that was started for this run folder."""
    for pid in _pids_of(run_dir):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # another user's process, or already ended
            continue
        try:
            status = os.fstat(lock)
            if status.st_uid == os.geteuid() and time.time() - status.st_mtime > SETTLED_S:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:  # its launcher is running
            continue
        finally:
            os.close(lock)


def _pids_of(run_dir: Path) -> list[int]:
    mark = f"{VARIABLE}={run_dir}".encode()
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return [pid for pid in numbers if pid != os.getpid() and mark in _environment(pid)]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # the process has ended, or belongs to another user
        return []
