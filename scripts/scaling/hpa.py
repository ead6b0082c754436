"""HorizontalPodAutoscaler (autoscaling/v2) as arithmetic, after Kubernetes' documented algorithm. It has no clock."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

VALUES = Path(__file__).resolve().parents[2] / "helm" / "values.yaml"
TOLERANCE = 0.1  # of the target; a smaller difference changes nothing


@dataclass(frozen=True, slots=True)
class Targets:
    """What the chart's mode `hpa-queue` follows; `up` and `down` are rules as a HorizontalPodAutoscaler has them."""

    up: Mapping[str, Any]
    down: Mapping[str, Any]
    wait_s: float
    running: float  # 0 is off
    lowest: int = 1
    highest: int = 20


def read_targets(file: Path = VALUES) -> Targets:
    """The chart's own values, with the bounds above."""
    values = yaml.safe_load(file.read_text())["autoscaling"]
    up, down = values["behavior"]["scaleUp"], values["behavior"]["scaleDown"]
    return Targets(up, down, values["targetWaitSeconds"], values["targetRunningRequests"])


def pods_wanted(current: int, values: Sequence[float], unready: int, target: float) -> int:
    """The wish of one metric: `values` of the ready pods, which are to be `target` on average.

    Pods that are not ready count as idle when the wish is for more pods, and not at all when it is for fewer.
    """
    if not values:
        return current
    ratio = sum(values) / len(values) / target
    counted = len(values) + (unready if ratio > 1 else 0)
    corrected = sum(values) / counted / target
    if abs(corrected - 1) <= TOLERANCE or (ratio > 1 and corrected < 1):
        return current
    return max(current, math.ceil(corrected * counted)) if ratio > 1 else math.ceil(corrected * counted)


class Controller:
    """One autoscaler and what it remembers: wishes for the windows, changes for the policies."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._wishes: list[tuple[float, int]] = []
        self._changes: list[tuple[float, int]] = []  # moment, pods added (negative: removed)

    def decide(self, now_s: float, current: int, wanted: int) -> int:
        """The number of pods from now on."""
        up, down = self._targets.up, self._targets.down
        self._wishes.append((now_s, wanted))
        pods = min(max(current, min(self._recent(up, now_s))), max(self._recent(down, now_s)))
        if pods > current:
            pods = min(pods, max(math.ceil(bound) for bound in self._bounds(up, now_s, current, 1)))
        elif pods < current:
            pods = max(pods, min(int(bound) for bound in self._bounds(down, now_s, current, -1)))
        pods = min(max(pods, self._targets.lowest), self._targets.highest)
        self._changes.append((now_s, pods - current))
        return pods

    def _recent(self, rules: Mapping[str, Any], now_s: float) -> list[int]:
        """The wishes within the stabilisation window, and the newest."""
        begin_s = now_s - rules["stabilizationWindowSeconds"]
        return [count for at_s, count in self._wishes if at_s > begin_s or at_s == now_s]

    def _bounds(self, rules: Mapping[str, Any], now_s: float, current: int, sign: int) -> list[float]:
        """The number of pods that each policy allows, from those at the beginning of its period."""
        if rules.get("selectPolicy", "Max") != "Max":
            raise ValueError("only selectPolicy Max is simulated: the policy that allows the largest change counts")
        bounds = [float(current)]
        for policy in rules["policies"]:
            begin = current - sum(change for at_s, change in self._changes if at_s > now_s - policy["periodSeconds"])
            step = policy["value"] * (begin / 100 if policy["type"] == "Percent" else 1)
            bounds.append(begin + sign * step)
        return bounds
