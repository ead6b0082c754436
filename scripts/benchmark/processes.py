"""Memory and child processes of a process, from /proc. Sizes are in MiB."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Memory:
    """Current and peak resident memory, including file-backed pages."""

    now_mib: float
    peak_mib: float


def memory_of(pids: Sequence[int]) -> Memory | None:
    """Return the sum over the processes, or None if there are none or one of them has ended."""
    try:
        found = [_status(pid) for pid in pids]
    except (OSError, KeyError):
        return None
    return Memory(sum(one.now_mib for one in found), sum(one.peak_mib for one in found)) if found else None


def descendants(pid: int) -> list[int]:
    """Return all descendants of `pid`, from one snapshot of the process table."""
    parents = {}
    for entry in PROC.glob("[0-9]*/stat"):
        try:
            after_name = entry.read_text().rpartition(")")[2].split()
        except OSError:  # ended in the meantime
            continue
        parents[int(entry.parent.name)] = int(after_name[1])
    found, grown = {pid}, 0
    while grown != len(found):
        grown = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return sorted(found - {pid})


def command_of(pid: int) -> list[str]:
    try:
        return (PROC / str(pid) / "cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []


def _status(pid: int) -> Memory:
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return Memory(_mib(values["VmRSS"]), _mib(values["VmHWM"]))


def _mib(text: str) -> float:
    return int(text.split()[0]) / 1024
