"""Checks the series and labels of Prometheus queries against the metrics of a real service.

Takes a query and the series of a scrape; returns the errors as sentences. A library parses the queries.
"""

from collections.abc import Iterator
from typing import Any

import promql_parser
import requests
from prometheus_client.parser import text_string_to_metric_families

ADDED = {"job", "instance", "namespace", "pod"}  # added to every series by Prometheus

Node = Any  # the library's classes have no common base
Series = dict[str, set[str]]  # the labels of each name


def scrape(url: str) -> Series:
    """Return the series of a service without keys that has answered a request."""
    series: Series = {"up": set()}
    for family in text_string_to_metric_families(requests.get(f"{url}/metrics", timeout=30).text):
        for sample in family.samples:
            series.setdefault(sample.name, set()).update(sample.labels)
    return series


def complaints(query: str, series: Series) -> list[str]:
    """Return the errors of a query; raises ValueError if it is not a query."""
    tree = promql_parser.parse(query)
    found = [text for selector in _selectors(tree) for text in _about_selector(selector, series)]
    return found + [text for node in _nodes(tree) for text in _about_grouping(node, series)]


def _about_selector(selector: Node, series: Series) -> Iterator[str]:
    matched = {matcher.name for matcher in selector.matchers.matchers} - {"__name__"}
    if selector.name is not None and selector.name not in series:
        yield f"there is no {selector.name}"
        return
    for label in sorted(matched - series.get(selector.name, set()) - ADDED):
        yield f"{selector.name} has no label {label}"
    if "job" not in matched:
        yield f"{selector.name} is not held to one release"


def _about_grouping(node: Node, series: Series) -> Iterator[str]:
    """Grouping by a label that no series has would silently leave it empty."""
    modifier = getattr(node, "modifier", None)
    if not isinstance(node, promql_parser.AggregateExpr) or modifier is None:
        return
    for selector in _selectors(node.expr):
        for label in sorted(set(modifier.labels) - series.get(selector.name, set()) - ADDED):
            yield f"{selector.name} has no label {label} to group by"


def _selectors(node: Node) -> Iterator[Node]:
    return (child for child in _nodes(node) if isinstance(child, promql_parser.VectorSelector))


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    parts = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "vector_selector", "param")]
    for part in [*parts, *(getattr(node, "args", None) or [])]:
        if part is not None:
            yield from _nodes(part)
