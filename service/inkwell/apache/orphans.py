"""Ends processes of a start that outlived their httpd: orphans of a killed Apache, workers that hang.

Workers lead sessions of their own and orphans have changed their parent, so neither group nor parent tells whose they
are. All of them inherited the run folder's name in their environment, and no process of another start has it.
"""

import os
import signal
from pathlib import Path

VARIABLE = "INKWELL_STATE_DIR"


def end_orphans(run_dir: Path) -> None:
    """SIGKILL to every process that was started for this run folder."""
    for pid in _pids_of(run_dir):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _pids_of(run_dir: Path) -> list[int]:
    mark = f"{VARIABLE}={run_dir}".encode()
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return [pid for pid in numbers if pid != os.getpid() and mark in _environment(pid)]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or is another user's
        return []
