"""Memory and processors: what this process may use and what a process holds, from /proc and the control groups.

Reads either version of control groups. Used by the web tier and by the engine, so it imports nothing of the package.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

MOUNTED = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")  # a line for each hierarchy: number, names of its controllers, path; v2 has no names


def resident_bytes(process: int | str = "self") -> int | None:
    """Resident memory of a process, including mapped files; None if /proc has no such process."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def limit_bytes() -> int:
    """Memory limit of all the service's processes together: the lowest limit of the control groups that contain them,
    or the machine's memory."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(machine, memory_limit_bytes() or machine)


def memory_limit_bytes(mounted: Path = MOUNTED, own: Path = OWN) -> int | None:
    """The lowest limit of the control groups that contain this process."""
    limits = [
        int(text)
        for version, folder in _groups("memory", mounted, own)
        if (text := _read(folder / ("memory.max" if version == 2 else "memory.limit_in_bytes"))).isdecimal()
    ]
    return min(limits, default=None)


def processors(mounted: Path = MOUNTED, own: Path = OWN) -> int | None:
    """How many processors the lowest CPU quota of those groups allows, rounded up."""
    shares = [share for version, folder in _groups("cpu", mounted, own) if (share := _share(version, folder))]
    return math.ceil(min(shares)) if shares else None


def _share(version: int, folder: Path) -> float | None:
    """A group's quota in processors: microseconds that it may run in each period."""
    if version == 2:
        quota, _, period = _read(folder / "cpu.max").partition(" ")
    else:
        quota, period = (_read(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    limited = quota.isdecimal() and period.isdecimal() and int(period) > 0  # else it is "max", -1 or not there
    return int(quota) / int(period) if limited else None


def _groups(controller: str, mounted: Path, own: Path) -> Iterator[tuple[int, Path]]:
    """Versions and folders of our own group and of all above it; within a container only the topmost may be there."""
    for line in _read(own).splitlines():
        number, names, path = line.split(":", 2)
        if controller in names.split(","):
            version, top = 1, mounted / controller
        elif number == "0" and not names:
            version, top = 2, mounted
        else:
            continue
        group = top / path.lstrip("/")
        yield from ((version, folder) for folder in (group, *group.parents) if folder.is_relative_to(top))


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
