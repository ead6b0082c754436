"""Generates the tables of docs/operations.md from curves and simulations, between marker comments."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from scripts.benchmark.workloads import FULL
from scripts.scaling.curve import CURVES, Curve, read_curve
from scripts.scaling.hpa import Targets, read_targets
from scripts.scaling.pod import simulated_check
from scripts.scaling.simulation import Simulation, arrivals, waits

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
MAX_WAIT_S, SIZING_REQUESTS = 5.0, 800  # limit for 95 % of the requests; requests simulated for each curve and load
BURST_CURVE = CURVES / "124M-bfloat16-zen3-2.json"
QUIET_LOAD, BURST_LOAD = 0.6, 3.6  # relative to the capacity of one pod
BEGIN_S, STOP_S, END_S = 300.0, 600.0, 1_200.0  # start and end of the burst, end of the run
SEEDS = range(3)
Case = tuple[Targets | None, int, float]  # targets, initial pods, seconds until a new pod is ready


def capacity_per_s(curve: Curve) -> float:
    """The capacity of one pod, in requests of W3's lengths per second."""
    return 1 / curve.request_s(fmean(FULL.prompts), fmean(FULL.outputs))


def planned_share(curve: Curve) -> float:
    """The share of the capacity at which 95 % of the requests wait at most MAX_WAIT_S and none is refused.

    One pod is simulated, because a Service splits Poisson arrivals into independent Poisson arrivals for each pod.
    """
    for share in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1):
        per_s = share * capacity_per_s(curve)
        end_s = SIZING_REQUESTS / per_s
        requests = arrivals([(end_s, per_s)], seed=0)
        Simulation(curve, 1, None, 0.0, seed=0).run(requests, end_s)
        _, p95_s, refused = waits(requests, end_s / 10, end_s)  # the first requests find an empty pod
        if not refused and p95_s <= MAX_WAIT_S:
            return share
    return 0.0


def sizing_table(curves: Sequence[Curve]) -> str:
    """Measured step times, W3 measured and simulated, and the load to plan for."""
    rows = []
    with ProcessPoolExecutor() as pool:
        for curve, share in zip(curves, pool.map(planned_share, curves), strict=True):
            checks = [curve.check, simulated_check(curve, curve.check)] if curve.check else []
            w3 = " -> ".join(f"{check.output_tokens_per_s:.0f}" for check in checks) or "not measured"
            times = [f"{1000 * value:.1f}" for value in (curve.fixed_s, curve.row_s, curve.prompt_token_s)]
            where = [curve.name, f"{curve.machine}, {curve.cores} threads", str(curve.rows), curve.date]
            most = 60 * capacity_per_s(curve)
            rows.append([*where, *times, f"{curve.load_s:.1f}", w3, f"{most:.1f}", f"{share * most:.1f} ({share:.0%})"])
    head = ["model", "machine", "rows", "date", "step ms", "row ms", "prompt token ms", "start and load s",
            "W3 tok/s, measured -> simulated", "most a minute", "plan a minute"]  # fmt: skip
    return table(head, rows)


def cases(chart: Targets) -> dict[str, Case]:
    """The configurations to compare, named after their difference from the chart's."""
    up, down = chart.up, chart.down
    pods, any_number = {"type": "Pods", "value": 1}, {"type": "Percent", "value": 100, "periodSeconds": 15}
    changed = {
        "the chart": chart,
        "down any number, Kubernetes' default": replace(chart, down={**down, "policies": [any_number]}),
        "down 1 pod in 300 s": replace(chart, down={**down, "policies": [{**pods, "periodSeconds": 300}]}),
        "down without a window": replace(chart, down={**down, "stabilizationWindowSeconds": 0}),
        "up 1 pod in 60 s": replace(chart, up={**up, "policies": [{**pods, "periodSeconds": 60}]}),
        "up with a window of 60 s": replace(chart, up={**up, "stabilizationWindowSeconds": 60}),
        "target of 20 s of waiting": replace(chart, wait_s=20.0),
        "target of 4 running requests": replace(chart, running=4.0),
        "target of 12 running requests": replace(chart, running=12.0),
    }
    fixed: dict[str, Case] = {"pods start in 150 s": (chart, 1, 150.0), "5 pods all the time": (None, 5, 0.0)}
    return {name: (targets, 1, 30.0) for name, targets in changed.items()} | fixed


def play(curve: Curve, case: Case, seed: int) -> tuple[float, ...]:
    """Simulate one burst: waits p50 and p95, percent refused, pods before it and at its peak, pod-hours of the run."""
    targets, pods, start_s = case
    quiet, busy = (load * capacity_per_s(curve) for load in (QUIET_LOAD, BURST_LOAD))
    requests = arrivals([(BEGIN_S, quiet), (STOP_S, busy), (END_S, quiet)], seed)
    fleet = Simulation(curve, pods, targets, start_s, seed)
    fleet.run(requests, END_S)
    spans = pairwise([*fleet.counts, (END_S, 0)])  # without stopped pods that are still finishing requests
    hours = sum(count * (until_s - since_s) for (since_s, count), (until_s, _) in spans) / 3600
    before = [count for at_s, count in fleet.counts if at_s <= BEGIN_S][-1]
    return *waits(requests, BEGIN_S, STOP_S), before, max(count for _, count in fleet.counts), hours


def bursts_table(curve: Curve, named: Mapping[str, Case]) -> str:
    """Means over the seeds; each seed has the same arrivals in all cases."""
    rows = []
    with ProcessPoolExecutor() as pool:
        runs = {name: pool.map(partial(play, curve, case), SEEDS) for name, case in named.items()}
        for name, results in runs.items():
            rows.append([name, *(f"{fmean(values):.1f}" for values in zip(*results, strict=True))])
    return table(["", "wait p50 s", "wait p95 s", "refused %", "pods before", "most pods", "pod-hours"], rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Render a Markdown table."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows))


def inputs(curves: Sequence[Curve]) -> str:
    """A digest of the chart's values and the curves, with which a test detects outdated tables."""
    digest = hashlib.sha256(f"{read_targets()} {curves}".encode()).hexdigest()
    return f"<!-- made from the chart's autoscaling and the curves of {digest[:16]} -->"


PARTS: Mapping[str, Callable[[Sequence[Curve]], str]] = {
    "sizing": sizing_table,
    "bursts": lambda curves: bursts_table(read_curve(BURST_CURVE), cases(read_targets())),
    "inputs": inputs,  # last, so that an interrupted run leaves the old digest
}


def with_part(text: str, name: str) -> str:
    """The page with one part regenerated."""
    before, _, rest = text.partition(f"<!-- {name} -->\n")
    body = PARTS[name]([read_curve(file) for file in sorted(CURVES.glob("*.json"))])
    return f"{before}<!-- {name} -->\n{body}\n<!-- /{name} -->{rest.partition(f'<!-- /{name} -->')[2]}"


def write_page(page: Path = PAGE) -> None:
    """Regenerate all parts."""
    for name in PARTS:
        page.write_text(with_part(page.read_text(), name))
