"""Pictures of bursts: how long requests wait and how many pods there are, minute by minute. Needs matplotlib."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")  # no window

from matplotlib import pyplot  # noqa: E402

from scripts.scaling.bursts import BEGIN_S, END_S, LAST_S, Case, choices, play, result_of  # noqa: E402
from scripts.scaling.chart import MODES, bounded  # noqa: E402
from scripts.scaling.curve import Curve  # noqa: E402
from scripts.scaling.outcome import Outcome  # noqa: E402
from scripts.scaling.scalers import Targets  # noqa: E402
from scripts.scaling.tables import MOST_PODS, STARTS_S  # noqa: E402

WIDTH_INCHES, HEIGHT_INCHES, DPI = 9, 6, 110
METADATA = {"Software": None}  # the same picture on every machine that draws it with the same library


def draw(curve: Curve, targets: Targets, folder: Path) -> list[Path]:
    """Write the pictures; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    targets = bounded(targets, 1, MOST_PODS)
    modes = {mode: play(curve, Case(mode, targets), 0) for mode in MODES}
    starts = {
        f"pod starts in {start_s:.0f} s": play(curve, Case("hpa-queue", targets, start_s), 0) for start_s in STARTS_S
    }
    return [
        _runs(f"A 10x burst, {curve.name}, a pod starts in 30 s", modes, folder / "scaling-burst.png"),
        _runs(f"A 10x burst with hpa-queue, {curve.name}", starts, folder / "scaling-start.png"),
        _choices(curve, targets, folder / "scaling-behaviour.png"),
    ]


def _runs(title: str, runs: dict[str, Outcome], path: Path) -> Path:
    picture, (above, below) = pyplot.subplots(2, 1, sharex=True, figsize=(WIDTH_INCHES, HEIGHT_INCHES))
    for name, outcome in runs.items():
        minutes, waits = _waits_by_minute(outcome)
        above.plot(minutes, waits, label=name)
        times = [moment.at_s / 60 for moment in outcome.moments]
        below.step(times, [moment.ready for moment in outcome.moments], where="post", label=name)
    for axes in (above, below):
        axes.axvspan(BEGIN_S / 60, (BEGIN_S + LAST_S) / 60, color="#eee")
        axes.grid(alpha=0.3)
    above.set_title(title)
    above.set_ylabel("wait of the slowest twentieth, s")
    above.legend()
    below.set_ylabel("pods that are ready")
    below.set_xlabel("minutes")
    return _save(picture, path)


def _waits_by_minute(outcome: Outcome) -> tuple[list[float], list[float]]:
    minutes = range(int(END_S // 60))
    slices = [outcome.between(60.0 * minute, 60.0 * minute + 60) for minute in minutes]
    return [minute + 0.5 for minute in minutes], [part.wait_s(95) if part.tickets else np.nan for part in slices]


def _choices(curve: Curve, targets: Targets, path: Path) -> Path:
    """Each behaviour and target as a point: what it costs, and how long the burst makes wait."""
    picture, axes = pyplot.subplots(figsize=(WIDTH_INCHES, HEIGHT_INCHES))
    for number, (name, case) in enumerate(choices(Case("hpa-queue", targets)).items()):
        result = result_of(curve, case)
        axes.scatter(result.pod_hours, result.wait_p95_s, label=name, marker="os^Dv*"[number % 6], s=60)
    axes.set_xlabel("pod-hours of the hour")
    axes.set_ylabel("wait of the slowest twentieth in the burst, s")
    axes.set_title(f"Behaviours and targets of hpa-queue, {curve.name}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return _save(picture, path)


def _save(picture: Any, path: Path) -> Path:
    picture.tight_layout()
    picture.savefig(path, dpi=DPI, metadata=METADATA)
    pyplot.close(picture)
    return path
