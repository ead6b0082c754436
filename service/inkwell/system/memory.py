"""How much memory a process holds, and how much there is for all of them, from /proc and the control groups."""

import os
from pathlib import Path

from inkwell.system.cgroups import memory_limit_bytes


def resident_bytes(process: int | str = "self") -> int | None:
    """Memory that a process holds at present, files it has mapped included; None where /proc does not tell."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def limit_bytes() -> int:
    """What the service's processes may hold together: the lowest limit of a control group around them, or the machine's
    memory."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(machine, memory_limit_bytes() or machine)
