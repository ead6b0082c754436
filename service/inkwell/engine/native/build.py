"""Compiles the kernels: `python -m inkwell.engine.native.build`, which `make` runs when the sources have changed.

Builds one shared library for each level of x86 instructions, in the lib folder of the Python environment, where
every process of that environment finds them, under any user account. The name contains a hash of sources and flags: a
library that does not match the code is never loaded. Knows no torch.
"""

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
# Keys are torch's names for the levels. The kernels need at least AVX2; there is no version for Arm yet.
LEVELS = {"AVX2": "x86-64-v3", "AVX512": "x86-64-v4"}
# contract=off: the sources state explicitly where a multiplication and an addition are fused.
# uninitialized: gcc 12 warns about its own AVX-512 header.
FLAGS = (
    "-std=c++20 -O3 -ffp-contract=off -fPIC -shared -pthread -Wall -Wextra -Wno-maybe-uninitialized -Wno-uninitialized"
)


def source_files(folder: Path) -> list[Path]:
    return sorted(source for source in folder.iterdir() if source.suffix in (".cpp", ".hpp"))


def digest_of(folder: Path) -> str:
    """The hash of the sources in a folder, and of the flags, that names their libraries."""
    digest = hashlib.sha256(FLAGS.encode())
    for source in source_files(folder):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


# Computed at import, together with the code that calls the kernels: the process may later drop the privileges needed to
# read its own files, and an edit of the sources must not make a running process look for a library that does not match
# the code it has loaded.
DIGEST = digest_of(SOURCES)


def library_path(level: str) -> Path:
    """Where the library of a level for this code belongs; it may not have been built."""
    return Path(sys.prefix) / "lib" / "inkwell" / f"kernels-{level.lower()}-{DIGEST}.so"


def build(compiler: str = "g++") -> list[Path]:
    """Compile the libraries that are missing; raises CalledProcessError or FileNotFoundError.

    Libraries of other sources are kept: a service that was started from those may still start another worker.
    """
    wanted = {library_path(level): march for level, march in LEVELS.items() if platform.machine() == "x86_64"}
    for path, march in wanted.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _compile(compiler, march, path)
    return list(wanted)


def _compile(compiler: str, march: str, path: Path) -> None:
    # Under another name first: two builds may run at once, and no process may load a half-written library.
    unfinished = path.with_suffix(f".{os.getpid()}")
    units = [str(source) for source in source_files(SOURCES) if source.suffix == ".cpp"]
    subprocess.run([compiler, *FLAGS.split(), f"-march={march}", *units, "-o", str(unfinished)], check=True)
    unfinished.replace(path)


if __name__ == "__main__":
    for library in build():
        print(library)
