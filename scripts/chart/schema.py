"""Generates values.schema.json, which rejects unknown values and values of another type than the default.

Takes the described values and the service's table of settings; returns the schema as a mapping.
"""

from dataclasses import fields
from typing import Any, get_type_hints

from inkwell.settings.settings import TYPES, Settings
from scripts.chart.values import Value

TYPE_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
SETTING_TYPES: dict[str, dict[str, Any]] = {
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "text": {"type": "string"},
    "path": {"type": "string"},
    "list": {"type": "array", "items": {"type": "string"}},
}
# Settings that the chart sets from other values, and `hosts`, which has no effect on a service that other machines
# reach.
CHARTS_OWN = frozenset(
    {
        "host",
        "port",
        "models_dir",
        "default_model",
        "preload",
        "device",
        "keys",
        "keys_file",
        "open",
        "state_dir",
        "hosts",
    }
)


def schema_of(values: list[Value]) -> dict[str, Any]:
    """Return the JSON schema of the chart's values."""
    root: dict[str, Any] = {"$schema": "http://json-schema.org/draft-07/schema#", **_closed()}
    root["properties"]["global"] = {"type": "object"}  # added by Helm if the chart is a subchart
    for value in values:
        node = root
        for key in value.path[:-1]:
            node = node["properties"].setdefault(key, _closed())
        node["properties"][value.path[-1]] = _schema(value)
    return root


def _closed() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}}


def _schema(value: Value) -> dict[str, Any]:
    if value.settings:
        return {"description": value.meaning, **_closed(), "properties": _settings()}
    return {"description": value.meaning, "type": TYPE_NAMES[type(value.default)], **(value.schema or {})}


def _settings() -> dict[str, Any]:
    types = get_type_hints(Settings)
    return {
        camel_case(item.name): {"description": item.metadata["help"], **SETTING_TYPES[TYPES[types[item.name]]]}
        for item in fields(Settings)
        if item.name not in CHARTS_OWN
    }


def camel_case(name: str) -> str:
    """Convert `max_rows` to `maxRows`."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
