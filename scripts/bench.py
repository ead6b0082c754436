"""Benchmark Inkwell and comparable systems side by side: `bench.py` or `make bench`; see docs/performance.md.

Prints tables, and writes them with all metrics and plots into the results folder. Exit status 1 if a target failed or
generated another number of tokens than requested, 2 if packages of requirements-bench.txt are missing.
"""

import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# Run as a script, Python only searches the folder of that script.
sys.path[:0] = [str(PROJECT_ROOT), str(PROJECT_ROOT / "service")]

from scripts.requirements import require  # noqa: E402

require("requirements-bench.txt")

from scripts.benchmark.measurement import measure  # noqa: E402
from scripts.benchmark.options import parse_options  # noqa: E402
from scripts.benchmark.plots import draw  # noqa: E402
from scripts.benchmark.table import render  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if every target answered every request in full, else 1."""
    options = parse_options(arguments)
    os.umask(0o022)  # Apache's account must be able to read the checkpoint
    command = shlex.join(["scripts/bench.py", *(sys.argv[1:] if arguments is None else arguments)])
    run = measure(options, command)
    folder = options.out / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True, exist_ok=True)
    text = render(run)
    (folder / "table.md").write_text(f"`{command}`\n\n{text}\n")
    (folder / "run.json").write_text(json.dumps(_without_outputs(run), indent=1) + "\n")
    print(text)
    if options.plots:
        draw(run, folder)
    print(f"\n{folder}")
    return int(any(result["error"] for result in run["targets"]))


def _without_outputs(run: dict[str, Any]) -> dict[str, Any]:
    """Drop the generated texts, which have already been compared."""
    for result in run["targets"]:
        for of_workload in result["runs"].values():
            del of_workload["outputs"]
    return run


if __name__ == "__main__":
    sys.exit(main())
