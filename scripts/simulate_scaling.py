"""Measures the time of an engine step (`measure`), and simulates pods for docs/operations.md (`page`)."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT_ROOT), str(PROJECT_ROOT / "service")]  # run as a script, Python only searches its folder

from scripts.benchmark.workloads import FULL  # noqa: E402
from scripts.scaling.curve import Curve, write_curve  # noqa: E402
from scripts.scaling.measure import measure_curve  # noqa: E402
from scripts.scaling.page import write_page  # noqa: E402
from scripts.scaling.pod import simulated_check  # noqa: E402

MAX_ERROR = 0.15  # maximum relative difference of W3's tokens per second


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if the files were written, 2 if a measurement is inconsistent."""
    parser = argparse.ArgumentParser(description="Measure the time of engine steps, and simulate autoscaled pods.")
    commands = parser.add_subparsers(required=True, dest="command")
    commands.add_parser("page", help="rewrite the tables of docs/operations.md; takes a minute or two")
    measure = commands.add_parser("measure", help="measure a service curve on this machine, which must be idle")
    measure.add_argument("folder", type=Path, help="checkpoint, such as models/demo")
    measure.add_argument("--dtype", default="auto", help="number format, as INKWELL_DTYPE (%(default)s)")
    measure.add_argument("--rows", type=int, default=16, help="as INKWELL_MAX_ROWS (%(default)s)")
    measure.add_argument("--threads", type=int, default=0, help="as INKWELL_THREADS; 0 is all (%(default)s)")
    measure.add_argument("--check-requests", type=int, default=FULL.crowd, help="of W3; 0 skips it (%(default)s)")
    measure.add_argument("--out", type=Path, required=True, help="output, such as scripts/scaling/curves/NAME.json")
    options = parser.parse_args(arguments)
    if options.command == "page":
        write_page()
        return 0
    scale = replace(FULL, crowd=options.check_requests)
    return written(measure_curve(options.folder, options.dtype, options.rows, options.threads, scale), options.out)


def written(curve: Curve, file: Path) -> int:
    """Write the curve and return 0 if its simulated W3 matches the measured one; otherwise report it and return 2."""
    checks = (curve.check, simulated_check(curve, curve.check)) if curve.check else ()
    speeds = [check.output_tokens_per_s for check in checks]
    if speeds and abs(speeds[1] / speeds[0] - 1) > MAX_ERROR:
        print("W3 ran at {:.0f} tokens per second, the steps timed before it predict {:.0f};".format(*speeds), end=" ")
        print("the machine's speed has changed: measure again when it is idle")
        return 2
    write_curve(curve, file)
    print(f"{file}: {curve}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
