"""Plots a finished run: bar charts of the main metrics, and distributions of gaps and latencies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no window

from matplotlib import pyplot  # noqa: E402

from scripts.benchmark.comparison import MAIN_METRICS  # noqa: E402
from scripts.benchmark.session import CURVE  # noqa: E402
from scripts.benchmark.workloads import kind_of  # noqa: E402

WIDTH_INCHES, DPI = 9, 120


def draw(run: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the plots and return their paths."""
    results = run["targets"]
    paths = []
    for name in dict.fromkeys(name for result in results for name in result["runs"]):
        with_run = [result for result in results if name in result["runs"]]
        paths.append(_bars(name, with_run, folder))
        if not name.startswith("w2"):
            paths.append(_curves(name, "gap_curve_ms", "time between tokens, ms", with_run, folder))
        if name not in ("w1", "w2", "stall"):
            paths.append(_curves(name, "latency_curve_s", "time of a request, s", with_run, folder))
    return paths


def _bars(name: str, results: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """One bar per target, with an error bar from the lowest to the highest repeat."""
    figure = MAIN_METRICS[kind_of(name)][0]
    found = [(result["target"], result["runs"][name]["figures"].get(figure)) for result in results]
    shown = [(target, spread) for target, spread in reversed(found) if spread]
    medians = [spread["median"] for _, spread in shown]
    below = [spread["median"] - spread["low"] for _, spread in shown]
    above = [spread["high"] - spread["median"] for _, spread in shown]
    picture, axes = pyplot.subplots(figsize=(WIDTH_INCHES, 1 + 0.45 * len(shown)))
    bars = axes.barh([target for target, _ in shown], medians, xerr=[below, above], color="#456", capsize=3)
    axes.bar_label(bars, fmt="{:,.1f}", padding=6)
    axes.margins(x=0.15)
    axes.set_title(f"{name}: {figure.replace('_', ' ')}")
    return _save(picture, folder / f"{name}.png")


def _curves(name: str, curve: str, label: str, results: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """Cumulative distribution of requests or gaps, one line per target."""
    picture, axes = pyplot.subplots(figsize=(WIDTH_INCHES, 5))
    for result in results:
        if values := result["runs"][name][curve]:
            axes.plot(values, CURVE, label=result["target"])
    axes.set_xscale("log")
    axes.set_xlabel(label)
    axes.set_ylabel("percent that took no longer")
    axes.grid(alpha=0.3)
    axes.legend()
    axes.set_title(name)
    return _save(picture, folder / f"{name}-{curve.partition('_')[0]}.png")


def _save(picture: Any, path: Path) -> Path:
    picture.tight_layout()
    picture.savefig(path, dpi=DPI)
    pyplot.close(picture)
    return path
