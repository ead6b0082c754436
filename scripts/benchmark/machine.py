"""Describes the machine of a measurement, as far as the results depend on it, and the versions of the software."""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROJECT_ROOT = Path(__file__).resolve().parents[2]
REPORTED_FLAGS = ("avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_bf16", "amx_int8")
PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "mod_wsgi", "numpy")
SIZES_MIB = (64, 128, 256, 512, 1024)
QUICK_SIZES_MIB = (64,)


def describe_machine(threads: int, sizes_mib: Sequence[int]) -> dict[str, Any]:
    """Return processor, memory, system, and the measured bandwidth in bytes per second by block size."""
    processor = _processor()
    return {
        "processor": processor.get("model name", platform.processor()),
        "family_model_stepping": [processor.get(key, "?") for key in ("cpu family", "model", "stepping")],
        "cores": len(os.sched_getaffinity(0)),
        "cache": processor.get("cache size", "?"),
        "flags": [flag for flag in REPORTED_FLAGS if flag in processor.get("flags", "").split()],
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "bandwidth": _bandwidth(threads, sizes_mib),
    }


def computes_bfloat16() -> bool:
    """Whether the processor has bfloat16 instructions."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(_processor().get("flags", "").split())


def versions() -> dict[str, str]:
    """Return the versions of the main packages, and the commit of Inkwell."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"inkwell": _commit(), **found}


def _processor() -> dict[str, str]:
    """Return the entry of the first processor in /proc/cpuinfo."""
    lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _bandwidth(threads: int, sizes_mib: Sequence[int]) -> dict[str, Any]:
    sizes = [str(size) for size in sizes_mib]
    command = [sys.executable, "-m", "scripts.benchmark.targets.bandwidth", str(threads), *sizes]
    output = subprocess.run(command, cwd=PROJECT_ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(output))


def _commit() -> str:
    """Return the commit of the checkout, with the suffix -dirty if files differ; "unknown" outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
