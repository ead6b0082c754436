"""Compiles the kernels: `python -m inkwell.engine.native.build`, which `make` does once for each state of the sources.

Gives one shared library for each level of x86 instructions, beside the interpreter's other libraries, so that every
process of the same virtual environment finds them, whatever account it runs under. The name holds a hash of sources and
flags: a library that does not fit the code is never loaded. Knows no torch.
"""

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
# By the names that torch gives the levels. The kernels need AVX2 at least; Arm has no path of its own yet.
LEVELS = {"AVX2": "x86-64-v3", "AVX512": "x86-64-v4"}
# contract=off: the sources say themselves where a product and a sum are one operation.
# uninitialized: gcc 12 warns of its own AVX-512 header.
FLAGS = (
    "-std=c++20 -O3 -ffp-contract=off -fPIC -shared -pthread -Wall -Wextra -Wno-maybe-uninitialized -Wno-uninitialized"
)


def library_path(level: str) -> Path:
    """Where the library of a level lies, or would lie if it was built."""
    digest = hashlib.sha256(FLAGS.encode())
    for source in _sources():
        digest.update(source.read_bytes())
    return Path(sys.prefix) / "lib" / "inkwell" / f"kernels-{level.lower()}-{digest.hexdigest()[:16]}.so"


def build(compiler: str = "g++") -> list[Path]:
    """Compile what is not there yet; raises CalledProcessError or FileNotFoundError.

    Libraries of other sources stay: a service that was started from them may begin another worker.
    """
    wanted = {library_path(level): march for level, march in LEVELS.items() if platform.machine() == "x86_64"}
    for path, march in wanted.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _compile(compiler, march, path)
    return list(wanted)


def _compile(compiler: str, march: str, path: Path) -> None:
    # Under another name first: two builds may run at once, and a library is never seen half written.
    unfinished = path.with_suffix(f".{os.getpid()}")
    units = [str(source) for source in _sources() if source.suffix == ".cpp"]
    subprocess.run([compiler, *FLAGS.split(), f"-march={march}", *units, "-o", str(unfinished)], check=True)
    unfinished.replace(path)


def _sources() -> list[Path]:
    return sorted(source for source in SOURCES.iterdir() if source.suffix in (".cpp", ".hpp"))


if __name__ == "__main__":
    for library in build():
        print(library)
