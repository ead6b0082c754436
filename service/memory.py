"""How much memory a process holds, and how much there is for all of them, from /proc and the control groups."""

import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def resident_bytes(process: int | str = "self") -> int | None:
    """Memory that a process holds at present, files it has mapped included; None where /proc does not tell."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def limit_bytes(cgroups: Path = CGROUPS) -> int:
    """What the service's processes may hold together: the lowest limit of a control group around them, or the machine's
    memory."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_limits(cgroups)])


def _limits(cgroups: Path) -> list[int]:
    """The limits of our control group and of all above it; within a container it is the topmost one."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    folders = [cgroups / own, *(cgroups / own).parents]
    found = [_read(folder / "memory.max") for folder in folders if folder.is_relative_to(cgroups)]
    return [limit for limit in found if limit is not None]


def _read(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
