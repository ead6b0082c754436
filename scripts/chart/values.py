"""Parses the chart's values.yaml with its comments: path, default, description and schema additions of each value.

`# -- text` above a value describes it, `# @schema {...}` adds to its JSON schema, `# @settings` marks the value that
holds the service's settings, and `# --- text` starts a section. A value without a description is an error.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

LINE = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z][\w.-]*):")
COMMENT = re.compile(r" *# (?P<mark>---?|@\w+)(?: (?P<text>.*))?")


class ValuesError(Exception):
    """A value lacks a description or a schema."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value, or a map of values with one description."""

    path: tuple[str, ...]
    default: Any
    meaning: str
    section: str
    schema: dict[str, Any] | None  # None if nothing was added
    settings: bool

    @property
    def name(self) -> str:
        return ".".join(self.path)


@dataclass(slots=True)
class _Comments:
    """The comments above the next key."""

    section: str = ""
    meaning: str | None = None
    schema: dict[str, Any] | None = None
    settings: bool = False

    def read(self, mark: str, text: str) -> None:
        if mark == "---":
            self.section = text
        elif mark == "--":
            self.meaning = text
        elif mark == "@schema":
            self.schema = json.loads(text)
        elif mark == "@settings":
            self.settings = True
        else:
            raise ValuesError(f"unknown marker {mark}")

    def clear(self) -> None:
        self.meaning, self.schema, self.settings = None, None, False


def read_values(text: str) -> list[Value]:
    """Return all described values in file order; raises ValuesError for a value without a description."""
    defaults = yaml.safe_load(text)
    values = list(_described(text, defaults))
    for name in _leaves(defaults):
        if not any(name[: len(value.path)] == value.path for value in values):
            raise ValuesError(f"{'.'.join(name)} has no description: add a `# --` comment above it")
    return values


def _described(text: str, defaults: dict[str, Any]) -> Iterator[Value]:
    path: list[str] = []
    comments = _Comments()
    for line in text.splitlines():
        if comment := COMMENT.fullmatch(line):
            comments.read(comment["mark"], comment["text"] or "")
        elif key := LINE.match(line):
            path = [*path[: len(key["indent"]) // 2], key["key"]]
            if comments.meaning is not None:
                yield _value(tuple(path), defaults, comments)
            comments.clear()


def _value(path: tuple[str, ...], defaults: Any, comments: _Comments) -> Value:
    for key in path:
        defaults = defaults[key]
    if defaults in ({}, []) and comments.schema is None:
        raise ValuesError(f"{'.'.join(path)} is empty by default: describe its items with `# @schema`")
    assert comments.meaning is not None
    return Value(path, defaults, comments.meaning, comments.section, comments.schema, comments.settings)


def _leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(node, dict) and node:
        for key, child in node.items():
            yield from _leaves(child, (*path, key))
    else:
        yield path
