"""The chart's own autoscaling values, so that what is simulated is what ships. Raises ValueError for other shapes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from scripts.scaling.hpa import Behavior
from scripts.scaling.scalers import HpaCpu, HpaQueue, Keda, Scaler, Targets

VALUES = Path(__file__).resolve().parents[2] / "helm" / "values.yaml"
MODES = ("hpa-cpu", "hpa-queue", "keda")


def read_targets(file: Path = VALUES) -> Targets:
    """Targets and behaviour of a values.yaml."""
    try:
        return targets_of(yaml.safe_load(file.read_text())["autoscaling"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file.name} lacks a value of autoscaling: {error}") from None


def targets_of(values: dict[str, Any]) -> Targets:
    """From the mapping under `autoscaling`."""
    keda = values["keda"]
    return Targets(
        Behavior.read(values["behavior"]), values["minReplicas"], values["maxReplicas"],
        values["targetCPUUtilizationPercentage"], values["targetWaitSeconds"], values["targetRunningRequests"],
        float(keda["pollingInterval"]), keda["cooldownPeriod"], keda["wake"]["perReplica"],
    )  # fmt: skip


def scaler_for(mode: str, targets: Targets) -> Scaler:
    """A new autoscaler; each run needs its own. Raises KeyError for a mode that the chart does not have."""
    return {"hpa-cpu": HpaCpu, "hpa-queue": HpaQueue, "keda": Keda}[mode](targets)


def bounded(targets: Targets, lowest: int, highest: int) -> Targets:
    """The same between other numbers of pods."""
    return replace(targets, min_replicas=lowest, max_replicas=highest)
