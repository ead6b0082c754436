"""Renders the tables of values in the chart's README from the comments in values.yaml."""

import json
import re
from itertools import groupby

from scripts.chart.values import Value

PART = re.compile(r"(<!-- values -->\n).*?(<!-- /values -->)", re.DOTALL)
LONGEST_DEFAULT = 60  # characters; for longer defaults the table refers to values.yaml
FIRST_SECTION = "The release"


def with_values(text: str, values: list[Value]) -> str:
    """Return the README with its generated part regenerated."""
    assert PART.search(text), "the README of the chart has no place for the values"
    return PART.sub(lambda found: f"{found[1]}{_sections(values)}\n{found[2]}", text)


def _sections(values: list[Value]) -> str:
    return "\n\n".join(_section(name, list(rows)) for name, rows in groupby(values, lambda value: value.section))


def _section(name: str, values: list[Value]) -> str:
    lines = [f"### {name or FIRST_SECTION}", "", "| value | default | meaning |", "| --- | --- | --- |"]
    lines += [f"| `{value.name}` | {_default(value)} | {value.meaning} |".replace("|  |", "| |") for value in values]
    return "\n".join(lines)


def _default(value: Value) -> str:
    if value.default == "":
        return ""
    text = json.dumps(value.default) if not isinstance(value.default, str) else value.default
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT else "see values.yaml"
