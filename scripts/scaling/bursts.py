"""Ten times the load for ten minutes: what each way of scaling does with it, over several seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from scripts.scaling.chart import bounded, scaler_for
from scripts.scaling.closed import capacity_per_min
from scripts.scaling.curve import Curve
from scripts.scaling.fleet import Balance
from scripts.scaling.hpa import Behavior
from scripts.scaling.outcome import Outcome
from scripts.scaling.replica import Limits
from scripts.scaling.scalers import Targets
from scripts.scaling.simulation import Setup, Simulation
from scripts.scaling.trace import Lengths, arrivals, burst

BEGIN_S, LAST_S, END_S = 900.0, 600.0, 3_600.0
FACTOR = 10.0
SHARE = 0.6  # of one pod's capacity, before and after the burst
SEEDS = range(5)
Rules = Mapping[str, Any]


def _pods(value: int, period_s: int) -> Rules:
    return {"policies": [{"type": "Pods", "value": value, "periodSeconds": period_s}]}


# Rules for up and down as HorizontalPodAutoscaler writes them; None is the chart's, {} what Kubernetes does by itself.
BEHAVIORS: Mapping[str, tuple[Rules | None, Rules | None]] = {
    "the chart's": (None, None),
    "Kubernetes' own: down any number": ({}, {}),
    "down any number at once": (None, {"stabilizationWindowSeconds": 0}),
    "down 1 pod in 60 s": (None, _pods(1, 60)),
    "down 1 pod in 300 s": (None, _pods(1, 300)),
    "up double or 4 pods in 60 s": (
        {"policies": [{"type": "Percent", "value": 100, "periodSeconds": 60}, *_pods(4, 60)["policies"]]},
        None,
    ),
    "up 4 pods in 30 s": (_pods(4, 30), None),
    "up 1 pod in 60 s": (_pods(1, 60), None),
    "up after 60 s of the same wish": ({"stabilizationWindowSeconds": 60}, None),
}
TARGETS = ((5, 8), (20, 8), (10, 0), (10, 4), (10, 6), (10, 10), (10, 12), (10, 14))  # seconds of waiting, running


@dataclass(frozen=True, slots=True)
class Case:
    """One way of scaling. No mode is a fixed number of pods."""

    mode: str
    targets: Targets
    start_s: float = 30.0
    pods: int = 1
    balance: Balance = "least"
    patience_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Result:
    """Means over the seeds. Waits are of requests that were first sent during the burst."""

    wait_p50_s: float
    wait_p95_s: float
    refused: float
    lost: float
    quiet_pods: float  # just before the burst
    most_pods: float
    pod_hours: float


def play(curve: Curve, case: Case, seed: int, factor: float = FACTOR) -> Outcome:
    """One run of an hour: 15 minutes of quiet, 10 of the burst, 35 of quiet."""
    rate = SHARE * capacity_per_min(curve, Lengths(), Limits()) / 60
    setup = Setup(curve, case.pods, balance=case.balance, start_s=case.start_s, patience_s=case.patience_s, seed=seed)
    scaler = scaler_for(case.mode, case.targets) if case.mode else None
    load = burst(rate, factor, BEGIN_S, BEGIN_S + LAST_S)
    return Simulation(setup, scaler).run(arrivals(load, factor * rate, END_S, Lengths(), seed), END_S)


def result_of(curve: Curve, case: Case, seeds: Sequence[int] = SEEDS) -> Result:
    runs = [play(curve, case, seed) for seed in seeds]
    during = [run.between(BEGIN_S, BEGIN_S + LAST_S) for run in runs]
    return Result(
        fmean(item.wait_s(50) for item in during), fmean(item.wait_s(95) for item in during),
        fmean(item.refused for item in during), fmean(item.lost for item in during),
        fmean(run.pods_at(BEGIN_S) for run in runs), fmean(run.most_pods for run in runs),
        fmean(run.pod_hours for run in runs),
    )  # fmt: skip


def fixed(targets: Targets, pods: int) -> Case:
    """As many pods all the time."""
    return Case("", bounded(targets, pods, pods), pods=pods)


def with_behavior(case: Case, up: Rules | None, down: Rules | None) -> Case:
    """The same under other rules."""
    own, given = case.targets.behavior, Behavior.read({"scaleUp": up or {}, "scaleDown": down or {}})
    behavior = Behavior(own.up if up is None else given.up, own.down if down is None else given.down)
    return replace(case, targets=replace(case.targets, behavior=behavior))


def choices(base: Case) -> dict[str, Case]:
    """The behaviours and targets that are compared, by how they differ from the chart's."""
    cases = {name: with_behavior(base, *rules) for name, rules in BEHAVIORS.items()}
    for wait_s, running in TARGETS:
        name = f"targets {wait_s} s and {running} running" if running else f"target {wait_s} s alone"
        cases[name] = with_targets(base, wait_s, running)
    return cases


def with_targets(case: Case, wait_s: float, running: float) -> Case:
    """The same with other targets of the queue modes."""
    return replace(case, targets=replace(case.targets, wait_s=wait_s, running=running))
