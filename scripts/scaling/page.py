"""Writes the simulated tables into docs/operations.md, between their markers, and the pictures beside it."""

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.scaling import tables
from scripts.scaling.chart import read_targets
from scripts.scaling.curve import CURVES, Curve, curve_named, read_curve
from scripts.scaling.plots import draw

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
CURVE = "124M-bfloat16-zen3-2"  # of the tables about one service


def all_curves() -> list[Curve]:
    """The committed ones, by their files' names."""
    return [read_curve(file) for file in sorted(CURVES.glob("*.json"))]


def inputs() -> str:
    """A digest of what all tables were made from, to be compared with what there is now."""
    digest = hashlib.sha256(f"{read_targets()} {all_curves()}".encode()).hexdigest()
    return f"<!-- made from the chart's autoscaling and the curves of {digest[:16]} -->"


PARTS: Mapping[str, Callable[[], str]] = {
    "curves": lambda: tables.curves_table(all_curves()),
    "pods": lambda: tables.pods_table(all_curves()),
    "modes": lambda: tables.modes_table(curve_named(CURVE), read_targets()),
    "behaviours": lambda: tables.behaviors_table(curve_named(CURVE), read_targets()),
    "days": lambda: tables.days_table(curve_named(CURVE), read_targets()),
    "zero": lambda: tables.zero_table(curve_named(CURVE), read_targets()),
    "inputs": inputs,  # behind all others, so that a run which was cut short is seen
}


def with_part(text: str, name: str, body: str) -> str:
    """The page with one part made anew. Raises ValueError where its markers are missing."""
    marker = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not marker.search(text):
        raise ValueError(f"the page has no part {name}")
    return marker.sub(lambda found: f"{found[1]}{body}\n{found[2]}", text)


def write_page(page: Path = PAGE) -> None:
    """Every table and every picture; minutes."""
    for name, make in PARTS.items():
        print(f"==> {name}", flush=True)
        page.write_text(with_part(page.read_text(), name, make()))
    draw(curve_named(CURVE), read_targets(), page.parent / "images")
