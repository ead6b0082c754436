"""The tables of docs/operations.md, each a function of the curves and of the chart's values."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from scripts.scaling.bursts import Case, Result, choices, fixed, result_of, with_targets
from scripts.scaling.chart import MODES, bounded
from scripts.scaling.closed import capacity_per_min, compared
from scripts.scaling.curve import Curve
from scripts.scaling.fleet import BALANCES
from scripts.scaling.idle import PATTERNS, day_of, day_with_zero
from scripts.scaling.replica import Limits
from scripts.scaling.scalers import Targets
from scripts.scaling.sizing import Goal, pods_for
from scripts.scaling.trace import Lengths

LOADS_PER_MIN = (10, 1_000, 100_000)
SHARD_PODS = 8
STARTS_S = (15.0, 30.0, 150.0)
MOST_PODS = 20  # where the chart's maximum would be what is measured
WHAT_BURSTS_TELL = ("wait p50 s", "wait p95 s", "refused", "lost", "pods before", "most pods", "pod-hours")


def curves_table(curves: Sequence[Curve]) -> str:
    """What was measured, and what the model of a pod makes of it."""
    rows = []
    for curve in curves:
        terms = [f"{1000 * value:.1f}" for value in (curve.fixed_s, curve.row_s, curve.prompt_token_s)]
        held = ["not measured", ""]
        if curve.check:
            found = compared(curve)
            speeds = [f"{item.output_tokens_per_s:.0f}" for item in (found.measured, found.simulated)]
            times = [
                f"{item.latency_p50_s:.1f} / {item.latency_p95_s:.1f}" for item in (found.measured, found.simulated)
            ]
            held = [" -> ".join(speeds), " -> ".join(times)]
        where = [curve.name, curve.machine, str(curve.cores), str(curve.rows), curve.date]
        rows.append([*where, *terms, f"{curve.load_s:.1f}", *held])
    head = ["model", "machine", "cores", "rows", "date", "step ms", "a row ms", "a prompt token ms", "start and load s",
            "W3 tok/s, measured -> simulated", "request p50 / p95 s"]  # fmt: skip
    return table(head, rows)


def pods_table(curves: Sequence[Curve]) -> str:
    """Pods for the three loads."""
    rows = []
    for curve in curves:
        capacity = capacity_per_min(curve, Lengths(), Limits())
        for balance in BALANCES:
            sizes = [pods_for(curve, load, balance, Goal(), SHARD_PODS) for load in LOADS_PER_MIN]
            cells = [f"{size.pods:,} ({size.used:.0%} used)" for size in sizes]
            rows.append([curve.name, f"{capacity:.0f}", balance, *cells])
    return table(["model", "most a pod does", "balancer", *(f"{load:,} a minute" for load in LOADS_PER_MIN)], rows)


def modes_table(curve: Curve, targets: Targets) -> str:
    """The chart's behaviour in every mode, by the time that a pod takes to start; and fixed numbers of pods."""
    targets = bounded(targets, 1, MOST_PODS)
    rows = [
        [f"{pods} pod{'s' * (pods > 1)} all the time", "", *_cells(result_of(curve, fixed(targets, pods)))]
        for pods in (1, 7)
    ]
    for mode in MODES:
        for start_s in STARTS_S:
            rows.append([mode, f"{start_s:.0f}", *_cells(result_of(curve, Case(mode, targets, start_s)))])
    return table(["mode", "pod starts in s", *WHAT_BURSTS_TELL], rows)


def behaviors_table(curve: Curve, targets: Targets) -> str:
    """hpa-queue under several behaviours and targets."""
    base = Case("hpa-queue", bounded(targets, 1, MOST_PODS))
    cases = choices(base)
    cases |= {f"balancer {name}": replace(base, balance=name) for name in BALANCES if name != base.balance}
    return table(
        ["behaviour", *WHAT_BURSTS_TELL], ([name, *_cells(result_of(curve, case))] for name, case in cases.items())
    )


def days_table(curve: Curve, targets: Targets) -> str:
    """A day between nothing and three pods of load."""
    targets = bounded(targets, 1, 8)
    cases = {"4 pods all day": fixed(targets, 4)} | {mode: Case(mode, targets) for mode in MODES}
    for running in (4, 12):
        case = with_targets(Case("hpa-queue", targets), targets.wait_s, running)
        cases[f"hpa-queue, target of {running} running"] = case
    rows = []
    for name, case in cases.items():
        day = day_of(curve, case)
        rows.append([name, f"{day.wait_s(95):.1f}", f"{day.refused:.1%}", str(day.most_pods), f"{day.pod_hours:.0f}"])
    return table(["mode", "wait p95 s", "refused", "most pods", "pod-hours"], rows)


def zero_table(curve: Curve, targets: Targets) -> str:
    """Days with few requests, KEDA between 0 and 1 pods."""
    rows = []
    for pattern in PATTERNS:
        for start_s in STARTS_S:
            day = day_with_zero(curve, targets, pattern, start_s)
            rows.append([
                pattern, f"{start_s:.0f}", f"{day.requests}", f"{day.cold:.1%}", f"{day.cold_wait_s:.0f}",
                f"{day.pod_hours:.1f} of 24",
            ])  # fmt: skip
    return table(["load", "pod starts in s", "requests", "met no pod", "their mean wait s", "pod-hours"], rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows))


def _cells(result: Result) -> list[str]:
    waits = [f"{value:.1f}" for value in (result.wait_p50_s, result.wait_p95_s)]
    shares = [f"{value:.1%}" for value in (result.refused, result.lost)]
    return [*waits, *shares, f"{result.quiet_pods:.1f}", f"{result.most_pods:.1f}", f"{result.pod_hours:.1f}"]
