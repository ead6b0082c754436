"""Scale to zero: what a cold start costs whoever comes first, and which pod-hours it saves; and a day with a night."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from scripts.scaling.bursts import Case
from scripts.scaling.chart import bounded, scaler_for
from scripts.scaling.closed import capacity_per_min
from scripts.scaling.curve import Curve
from scripts.scaling.outcome import Outcome
from scripts.scaling.replica import Limits
from scripts.scaling.scalers import Targets
from scripts.scaling.simulation import Setup, Simulation
from scripts.scaling.trace import DAY_S, Lengths, Rate, arrivals, diurnal, sessions, steady

HOUR_S = 3_600.0
PATIENCE_S = 300.0
OFFICE = sessions(10 / 60, ((9 * HOUR_S, 12 * HOUR_S), (13 * HOUR_S, 18 * HOUR_S)))
PATTERNS: Mapping[str, tuple[Rate, float]] = {  # with the highest rate
    "10 requests a minute from 9 to 12 and from 13 to 18, none else": (OFFICE, 10 / 60),
    "20 requests a day, at any time": (steady(20 / DAY_S), 20 / DAY_S),
    "10 requests an hour, at any time": (steady(10 / HOUR_S), 10 / HOUR_S),
}


@dataclass(frozen=True, slots=True)
class Zero:
    """One day with KEDA between 0 and 1 pods."""

    requests: int
    cold: float  # share of the requests that found no pod
    cold_wait_s: float  # mean wait of those
    pod_hours: float


def day_with_zero(curve: Curve, targets: Targets, pattern: str, start_s: float, seed: int = 0) -> Zero:
    """A day that begins with no pod; clients that find none send again every 5 s."""
    rate, highest = PATTERNS[pattern]
    scaler = scaler_for("keda", replace(bounded(targets, 0, 1), wake_per_s=highest))
    setup = Setup(curve, 0, start_s=start_s, patience_s=PATIENCE_S, seed=seed)
    outcome = Simulation(setup, scaler).run(arrivals(rate, highest, DAY_S, Lengths(), seed), DAY_S)
    cold = [item for item in outcome.tickets if item.unserved and item.started_s is not None]
    waits_s = [(item.started_s or 0.0) - item.arrived_s for item in cold]
    mean_s = sum(waits_s) / len(waits_s) if waits_s else 0.0
    return Zero(len(outcome.tickets), outcome.absent, mean_s, outcome.pod_hours)


def day_of(curve: Curve, case: Case, seed: int = 0) -> Outcome:
    """A day around 1.5 pods of load that swings between none and twice that; no mode keeps the case's pods all day."""
    mean = 1.5 * capacity_per_min(curve, Lengths(), Limits()) / 60
    scaler = scaler_for(case.mode, case.targets) if case.mode else None
    setup = Setup(curve, case.pods, balance=case.balance, start_s=case.start_s, patience_s=case.patience_s, seed=seed)
    load = diurnal(mean, 1.0)
    return Simulation(setup, scaler).run(arrivals(load, 2 * mean, DAY_S, Lengths(), seed), DAY_S)
