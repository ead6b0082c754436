"""What the sub-commands do. Each takes the parsed command line and prints; ValueError says what does not fit."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

from scripts.benchmark.workloads import FULL
from scripts.scaling.chart import bounded, read_targets, scaler_for
from scripts.scaling.closed import Comparison, compared
from scripts.scaling.curve import curve_named, write_curve
from scripts.scaling.fit import fit_runs
from scripts.scaling.page import PARTS, write_page
from scripts.scaling.replica import Limits
from scripts.scaling.simulation import Setup, Simulation
from scripts.scaling.sizing import Goal, pods_for
from scripts.scaling.tables import SHARD_PODS
from scripts.scaling.trace import Arrival, Lengths, arrivals, burst, diurnal, read_trace

MOST_ERROR = 0.15  # of W3's tokens a second


def measure(options: Namespace) -> None:
    """Write a curve, and what it was fitted to."""
    from scripts.scaling.measure import measure_curve  # it needs torch, and the others do without

    scale = replace(FULL, crowd=options.check_requests)
    curve = measure_curve(options.folder, options.dtype, options.rows, options.threads, scale)
    if curve.check:
        checked(compared(curve))
    write_curve(curve, options.out)
    print(f"{options.out}: {curve}")


def checked(found: Comparison) -> None:
    """A curve that does not explain W3 of the same minutes is of no use: most often the machine changed its speed."""
    if abs(found.speed - 1) > MOST_ERROR:
        speeds = [f"{check.output_tokens_per_s:.0f}" for check in (found.measured, found.simulated)]
        raise ValueError(
            f"W3 gave {speeds[0]} tokens a second and the steps that were timed before it explain {speeds[1]}: "
            "something else took the processor for a while; measure again when the machine is quiet"
        )


def fit(options: Namespace) -> None:
    """Write a curve from finished runs of the benchmark."""
    curve = fit_runs(options.runs, options.target)
    write_curve(curve, options.out)
    print(f"{options.out}: {curve}")


def page(options: Namespace) -> None:
    """Rewrite docs/operations.md."""
    write_page()


def show(options: Namespace) -> None:
    """One table."""
    print(PARTS[options.name]())


def sizes(options: Namespace) -> None:
    """The fewest pods for a steady load."""
    curve = curve_named(options.curve)
    found = pods_for(curve, options.per_minute, options.balance, Goal(wait_s=options.wait), SHARD_PODS)
    print(f"{found.pods} pods, {found.used:.0%} used, 95 of 100 requests wait up to {found.wait_p95_s:.1f} s", end="")
    print(f" ({found.shards} shards of {found.pods // found.shards} pods, {found.requests} requests simulated)")


def play(options: Namespace) -> None:
    """One run and its figures."""
    targets = bounded(read_targets(options.values), options.pods, options.max_pods)
    setup = Setup(
        curve_named(options.curve), max(options.pods, 0), Limits(options.max_rows, options.max_requests),
        options.balance, options.start, patience_s=options.patience, seed=options.seed,
    )  # fmt: skip
    scaler = scaler_for(options.mode, targets) if options.mode else None
    coming, end_s = _load(options)
    outcome = Simulation(setup, scaler).run(coming, end_s)
    for percent in (50, 95, 99):
        print(f"wait p{percent:<3} {outcome.wait_s(percent):8.2f} s")
    for name in ("refused", "absent", "lost"):
        print(f"{name:9}{getattr(outcome, name):8.2%}")
    print(f"requests {len(outcome.tickets):8}\nmost pods{outcome.most_pods:8}\npod-hours{outcome.pod_hours:8.2f}")


def _load(options: Namespace) -> tuple[Sequence[Arrival], float]:
    if options.trace:
        coming = read_trace(options.trace)
        return coming, max((arrival.at_s for arrival in coming), default=0.0) + 60
    end_s, rate = 60 * options.minutes, options.per_minute / 60
    if rate <= 0 or not 0 <= options.swing <= 1 or options.burst <= 0:
        raise ValueError("--per-minute and --burst must be above 0, --swing between 0 and 1")
    load, highest = burst(rate, options.burst, end_s / 4, end_s / 2), rate * max(1.0, options.burst)
    if options.swing:
        load, highest = diurnal(rate, options.swing, end_s), rate * (1 + options.swing)
    return list(arrivals(load, highest, end_s, Lengths(), options.seed)), end_s
