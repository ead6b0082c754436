"""The command line of `scripts/simulate_scaling.py`: a sub-command each for measuring, the page, and own loads."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmark.workloads import FULL
from scripts.scaling.chart import MODES, VALUES
from scripts.scaling.commands import fit, measure, page, play, show, sizes
from scripts.scaling.curve import CURVES
from scripts.scaling.fleet import BALANCES
from scripts.scaling.page import CURVE, PARTS
from scripts.scaling.replica import Limits


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What to do, in `command`, and with what."""
    parser = argparse.ArgumentParser(description="Measure what a step takes, and simulate pods that scale.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _measure_options(commands.add_parser("measure", help="fit a service curve to the engine on this machine"))
    _fit_options(commands.add_parser("fit", help="fit a service curve to finished runs of scripts/bench.py"))
    rewrite = commands.add_parser("page", help="write the tables and pictures of docs/operations.md; minutes")
    rewrite.set_defaults(command=page)
    one = commands.add_parser("table", help="print one of its tables")
    one.add_argument("name", choices=sorted(PARTS))
    one.set_defaults(command=show)
    _pods_options(commands.add_parser("pods", help="how many pods a steady load needs"))
    _play_options(commands.add_parser("play", help="play a load, steady, bursting, diurnal or from a file"))
    return parser.parse_args(arguments)


def _measure_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folder", type=Path, help="checkpoint, such as models/demo or one that make bench has made")
    add("--dtype", default="auto", help="number format, as INKWELL_DTYPE (%(default)s)")
    add("--rows", type=int, default=Limits().rows, help="as INKWELL_MAX_ROWS (%(default)s)")
    add("--threads", type=int, default=0, help="as INKWELL_THREADS; 0 is all (%(default)s)")
    add("--check-requests", type=int, default=FULL.crowd,
        help="of W3, which tells whether the fit is right; 0 leaves it out (%(default)s)")  # fmt: skip
    add("--out", type=Path, required=True, help=f"file of the curve, such as one in {CURVES.name}/")
    parser.set_defaults(command=measure)


def _fit_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("runs", type=Path, nargs="+", help="run.json files of one machine and commit that together have w1, w2 and w3")
    add("--target", required=True, help="such as inkwell:bfloat16")
    add("--out", type=Path, required=True, help="file of the curve")
    parser.set_defaults(command=fit)


def _curve_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--curve", default=CURVE, help="name of a committed curve, or a file (%(default)s)")


def _pods_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    _curve_option(parser)
    add("--per-minute", type=float, required=True, help="requests")
    add("--balance", choices=BALANCES, default="least", help="(%(default)s)")
    add("--wait", type=float, default=5.0, help="seconds that 95 of 100 requests may wait for a slot (%(default)s)")
    parser.set_defaults(command=sizes)


def _play_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    _curve_option(parser)
    load = parser.add_mutually_exclusive_group(required=True)
    load.add_argument("--per-minute", type=float, help="Poisson arrivals of W3's lengths")
    load.add_argument("--trace", type=Path, help="CSV with the columns arrival_s,prompt_tokens,new_tokens")
    add("--minutes", type=float, default=60.0, help="length of the run (%(default)s)")
    add("--burst", type=float, default=1.0, help="so many times the load in the second quarter (%(default)s)")
    add("--swing", type=float, default=0.0, help="0 to 1: the run is a day whose load swings by it (%(default)s)")
    add("--mode", choices=("", *MODES), default="", help="autoscaling.mode; empty is a fixed number of pods")
    add("--values", type=Path, default=VALUES, help="values.yaml with behaviour and targets (the chart's own)")
    add("--pods", type=int, default=1, help="at the start, and fewest with a mode (%(default)s)")
    add("--max-pods", type=int, default=20, help="most pods (%(default)s)")
    add("--start", type=float, default=30.0, help="seconds until a new pod is ready (%(default)s)")
    add("--balance", choices=BALANCES, default="least", help="(%(default)s)")
    add("--patience", type=float, default=120.0, help="seconds for which refused clients send again (%(default)s)")
    add("--max-rows", type=int, default=Limits().rows, help="as INKWELL_MAX_ROWS (%(default)s)")
    add("--max-requests", type=int, default=Limits().requests, help="as INKWELL_MAX_REQUESTS (%(default)s)")
    add("--seed", type=int, default=0, help="(%(default)s)")
    parser.set_defaults(command=play)
