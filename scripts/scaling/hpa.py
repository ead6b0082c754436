"""HorizontalPodAutoscaler (autoscaling/v2) as pure arithmetic, following Kubernetes' documented algorithm."""

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
    """Targets of the chart's mode `hpa-queue`; `up` and `down` are the scaling rules of a HorizontalPodAutoscaler."""

    up: Mapping[str, Any]
    down: Mapping[str, Any]
    wait_s: float
    running: float  # 0 disables it
    lowest: int = 1
    highest: int = 20


def read_targets(file: Path = VALUES) -> Targets:
    """The chart's default values, with the minimum and maximum above."""
    values = yaml.safe_load(file.read_text())["autoscaling"]
    up, down = values["behavior"]["scaleUp"], values["behavior"]["scaleDown"]
    return Targets(up, down, values["targetWaitSeconds"], values["targetRunningRequests"])


def desired_pods(current: int, values: Sequence[float], unready: int, target: float) -> int:
    """The number of pods at which one metric, with these `values` of the ready pods, has `target` as its average.

    Pods that are not ready count as idle when scaling up, and are ignored when scaling down.
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
    """One autoscaler with its history: recommendations for stabilisation windows, changes for policies."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._recommendations: list[tuple[float, int]] = []
        self._changes: list[tuple[float, int]] = []  # moment, pods added (negative: removed)

    def decide(self, now_s: float, current: int, wanted: int) -> int:
        """Return the new number of pods."""
        up, down = self._targets.up, self._targets.down
        self._recommendations.append((now_s, wanted))
        pods = min(max(current, min(self._recent(up, now_s))), max(self._recent(down, now_s)))
        if pods > current:
            pods = min(pods, max(math.ceil(bound) for bound in self._bounds(up, now_s, current, 1)))
        elif pods < current:
            pods = max(pods, min(int(bound) for bound in self._bounds(down, now_s, current, -1)))
        pods = min(max(pods, self._targets.lowest), self._targets.highest)
        self._changes.append((now_s, pods - current))
        return pods

    def _recent(self, rules: Mapping[str, Any], now_s: float) -> list[int]:
        """Recommendations within the stabilisation window, including the newest one."""
        begin_s = now_s - rules["stabilizationWindowSeconds"]
        return [count for at_s, count in self._recommendations if at_s > begin_s or at_s == now_s]

    def _bounds(self, rules: Mapping[str, Any], now_s: float, current: int, sign: int) -> list[float]:
        """The number of pods that each policy allows, relative to the number at the start of its period."""
        if rules.get("selectPolicy", "Max") != "Max":
            raise ValueError("only selectPolicy Max is simulated, which applies the policy with the largest change")
        bounds = [float(current)]
        for policy in rules["policies"]:
            begin = current - sum(change for at_s, change in self._changes if at_s > now_s - policy["periodSeconds"])
            step = policy["value"] * (begin / 100 if policy["type"] == "Percent" else 1)
            bounds.append(begin + sign * step)
        return bounds
