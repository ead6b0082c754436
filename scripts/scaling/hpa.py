"""HorizontalPodAutoscaler, autoscaling/v2, as arithmetic: from measured values to a number of pods.

After its documented algorithm. `Behavior` reads what a chart writes under `behavior`; what is absent there has
Kubernetes' defaults. Plain Python, no clock.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SYNC_S = 15.0
TOLERANCE = 0.1
DEFAULT_POLICIES = {
    "scaleUp": (
        {"type": "Percent", "value": 100, "periodSeconds": 15},
        {"type": "Pods", "value": 4, "periodSeconds": 15},
    ),
    "scaleDown": ({"type": "Percent", "value": 100, "periodSeconds": 15},),
}
DEFAULT_WINDOW_S = {"scaleUp": 0, "scaleDown": 300}


@dataclass(frozen=True, slots=True)
class Policy:
    """So many pods, or so many percent of them, within a period."""

    percent: bool
    value: int
    period_s: float


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction of a behaviour. `select` is max, min or None for never."""

    window_s: float
    policies: tuple[Policy, ...]
    select: Callable[..., int] | None

    @property
    def longest_s(self) -> float:
        return max((policy.period_s for policy in self.policies), default=0.0)


@dataclass(frozen=True, slots=True)
class Behavior:
    """How fast the number of pods may follow what is wished."""

    up: Rules
    down: Rules

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Behavior":
        """From the mapping that HorizontalPodAutoscaler and the chart's values have."""
        return cls(_rules("scaleUp", values.get("scaleUp", {})), _rules("scaleDown", values.get("scaleDown", {})))


def _rules(direction: str, given: Mapping[str, Any]) -> Rules:
    policies = given.get("policies", DEFAULT_POLICIES[direction])
    select = {"Max": max, "Min": min, "Disabled": None}[given.get("selectPolicy", "Max")]
    return Rules(
        given.get("stabilizationWindowSeconds", DEFAULT_WINDOW_S[direction]),
        tuple(Policy(item["type"] == "Percent", item["value"], item["periodSeconds"]) for item in policies),
        select,
    )


def pods_wanted(current: int, known: Sequence[float], unready: int, target: float) -> int:
    """For an average over pods: the values of those that are ready, and how many are not.

    Pods that start count as idle when there would be more of them, and not at all when there would be fewer.
    """
    if not known:
        return current
    ratio = sum(known) / len(known) / target
    counted = len(known) + (unready if ratio > 1 else 0)
    corrected = sum(known) / counted / target
    if abs(corrected - 1) <= TOLERANCE or (ratio > 1 and corrected < 1):
        return current
    return max(current, math.ceil(corrected * counted)) if ratio > 1 else math.ceil(corrected * counted)


def sum_wanted(current: int, total: float, target: float) -> int:
    """For a sum of all pods that is to be `target` on average, as KEDA asks for it."""
    if current and abs(total / (target * current) - 1) <= TOLERANCE:
        return current
    return math.ceil(total / target)


class Controller:
    """The memory of one autoscaler: recommendations for the windows, changes for the policies."""

    def __init__(self, behavior: Behavior, lowest: int, highest: int) -> None:
        self._behavior = behavior
        self._lowest, self._highest = lowest, highest
        self._recommended: deque[tuple[float, int]] = deque()
        self._changes: deque[tuple[float, int]] = deque()  # moment, pods added (or below zero: taken away)

    def decide(self, now_s: float, current: int, wanted: int) -> int:
        """How many pods there are to be from now on."""
        stable = self._stabilised(now_s, current, wanted)
        if stable > current:
            stable = min(stable, self._most(now_s, current))
        elif stable < current:
            stable = max(stable, self._fewest(now_s, current))
        stable = min(max(stable, self._lowest), self._highest)
        if stable != current:
            self._changes.append((now_s, stable - current))
        return stable

    def _stabilised(self, now_s: float, current: int, wanted: int) -> int:
        """Up to the lowest recommendation of its window, down to the highest of its own."""
        up, down = self._behavior.up, self._behavior.down
        self._recommended.append((now_s, wanted))
        while self._recommended[0][0] < now_s - max(up.window_s, down.window_s):
            self._recommended.popleft()
        lowest = min([wanted, *(count for at_s, count in self._recommended if at_s > now_s - up.window_s)])
        highest = max([wanted, *(count for at_s, count in self._recommended if at_s > now_s - down.window_s)])
        return min(max(current, lowest), highest)

    def _most(self, now_s: float, current: int) -> int:
        rules = self._behavior.up
        if rules.select is None:
            return current
        bounds = []
        for policy in rules.policies:
            begin = self._begin(now_s, current, policy)
            bounds.append(math.ceil(begin * (1 + policy.value / 100)) if policy.percent else begin + policy.value)
        return max(current, rules.select(bounds))

    def _fewest(self, now_s: float, current: int) -> int:
        rules = self._behavior.down
        if rules.select is None:
            return current
        bounds = []
        for policy in rules.policies:
            begin = self._begin(now_s, current, policy)
            bounds.append(int(begin * (1 - policy.value / 100)) if policy.percent else begin - policy.value)
        return min(current, min(bounds) if rules.select is max else max(bounds))

    def _begin(self, now_s: float, current: int, policy: Policy) -> int:
        """How many pods there were when the policy's period began."""
        longest_s = max(self._behavior.up.longest_s, self._behavior.down.longest_s)
        while self._changes and self._changes[0][0] <= now_s - longest_s:
            self._changes.popleft()
        return current - sum(change for at_s, change in self._changes if at_s > now_s - policy.period_s)
