"""How many pods a steady load needs. Large loads are simulated as shards, each with its own balancer and its own pods.

A shard gets its share of the requests at random, which leaves it Poisson, and has its share of the pods. Real balancers
see all pods and can only do better, so the product of pods a shard and shards errs on the side of one pod too many a
shard.
"""

import math
from dataclasses import dataclass

from scripts.scaling.closed import capacity_per_min
from scripts.scaling.curve import Curve
from scripts.scaling.fleet import Balance
from scripts.scaling.outcome import Outcome
from scripts.scaling.replica import Limits
from scripts.scaling.simulation import Setup, Simulation
from scripts.scaling.trace import Lengths, arrivals, steady

WARM_S = 300.0  # left out: the first requests find empty pods
LEAST_S, LEAST_REQUESTS = 900.0, 2_000  # of what is looked at, whichever is longer


@dataclass(frozen=True, slots=True)
class Goal:
    """What is enough: this share of the requests waits no longer for a slot, and none is refused."""

    percent: float = 95.0
    wait_s: float = 5.0

    def met(self, outcome: Outcome) -> bool:
        return not outcome.refused and outcome.wait_s(self.percent) <= self.wait_s


@dataclass(frozen=True, slots=True)
class Size:
    """An answer, and what it was like."""

    pods: int
    shards: int
    used: float  # share of the pods' capacity
    wait_p95_s: float
    requests: int  # that were simulated


def pods_for(curve: Curve, per_min: float, balance: Balance, goal: Goal, shard_pods: int, seed: int = 0) -> Size:
    """The fewest pods that meet the goal, found from the fewest that could; a shard is what so many pods could do."""
    capacity = capacity_per_min(curve, Lengths(), Limits())
    shards = max(1, math.ceil(per_min / (shard_pods * capacity)))
    share = per_min / shards
    pods = max(1, math.ceil(share / capacity))
    while True:
        outcome = _steady(curve, share, pods, balance, seed)
        if goal.met(outcome):
            break
        pods += max(1, pods // 25)
    used = share / (pods * capacity)
    return Size(pods * shards, shards, used, outcome.wait_s(95), len(outcome.tickets))


def _steady(curve: Curve, per_min: float, pods: int, balance: Balance, seed: int) -> Outcome:
    end_s = WARM_S + max(LEAST_S, LEAST_REQUESTS / per_min * 60)
    setup = Setup(curve, pods, balance=balance, seed=seed)
    rate = per_min / 60
    found = Simulation(setup).run(arrivals(steady(rate), rate, end_s, Lengths(), seed), end_s)
    return found.between(WARM_S, end_s)
