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

HALVED: Rules = {"policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}]}
# Rules for up and down as HorizontalPodAutoscaler writes them; None is the chart's, {} what Kubernetes does by itself.
BEHAVIORS: Mapping[str, tuple[Rules | None, Rules | None]] = {
    "the chart's": (None, None),
    "up as the chart, down half in 60 s": (None, HALVED),
    "up as Kubernetes, down as the chart": ({}, None),
    "Kubernetes' own: up double or 4 pods in 15 s, down any number": ({}, {}),
    "up as Kubernetes, down half in 60 s": ({}, HALVED),
    "up 4 pods in 30 s, down half in 60 s": (
        {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 30}]},
        HALVED,
    ),
    "up 1 pod in 60 s, down half in 60 s": (
        {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]},
        HALVED,
    ),
    "up as Kubernetes after 60 s of the same wish, down half in 60 s": ({"stabilizationWindowSeconds": 60}, HALVED),
    "up as Kubernetes, down any number at once": ({}, {"stabilizationWindowSeconds": 0}),
}
PROPOSED = "up as Kubernetes, down half in 60 s, targets 10 s and 8 running"
TARGETS = ((5, 12), (20, 12), (10, 0), (10, 8), (10, 10), (10, 14))  # seconds of waiting, running requests


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
    """The behaviours and targets that are compared, by what they are called."""
    cases = {name: with_behavior(base, *rules) for name, rules in BEHAVIORS.items()}
    for wait_s, running in TARGETS:
        name = f"the chart's, targets {wait_s} s and {running} running" if running else f"the chart's, {wait_s} s alone"
        cases[name] = with_targets(base, wait_s, running)
    cases[PROPOSED] = proposed(base)
    return cases


def with_targets(case: Case, wait_s: float, running: float) -> Case:
    """The same with other targets of the queue modes."""
    return replace(case, targets=replace(case.targets, wait_s=wait_s, running=running))


def proposed(case: Case) -> Case:
    """What these tables speak for."""
    return with_targets(with_behavior(case, {}, HALVED), 10, 8)
