"""Parses a client's values according to a table of parameters: from JSON, or from the text of a query or form.

Names that are not in the table are rejected; nothing is ever ignored. Knows no Flask.
"""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from inkwell.errors import InvalidParameter, UnknownParameter, UnsupportedParameter
from inkwell.parameters.parameter import Parameter, typed, wrong_type

Table = Sequence[Parameter]


def read_json(table: Table, values: Mapping[str, Any], refused: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Checked values by field from a JSON object; null means the default.

    `refused` maps parameters of the dialect that this service does not support to the reason. Raises RequestErrors.
    """
    return _read(table, values, typed, refused or {})


def read_text(table: Table, values: Mapping[str, str]) -> dict[str, Any]:
    """Like `from_json`, for a query or form, whose values are text; lists and objects are written as JSON."""
    return _read(table, values, _converted, {})


def readable(name: str) -> str:
    """A parameter name from a client, made safe for a reply: shortened, and without lone surrogates."""
    return name[:64].encode(errors="replace").decode()


def _read(
    table: Table,
    values: Mapping[str, Any],
    read: Callable[[Parameter, Any], Any],
    refused: Mapping[str, str],
) -> dict[str, Any]:
    known = [row.name for row in table]
    for name, value in values.items():
        if name in refused and value is not None:
            raise UnsupportedParameter(f"{name} is not supported: {refused[name]}", param=name)
        if name not in known and name not in refused:
            raise UnknownParameter(f"unknown parameter {readable(name)!r}{_nearest(name, known)}", param=readable(name))
    return {row.field: _value(row, values.get(row.name), read) for row in table}


def _value(row: Parameter, given: Any, read: Callable[[Parameter, Any], Any]) -> Any:
    if given is None:
        if row.required:
            raise InvalidParameter(f"{row.name} is missing", param=row.name)
        return row.default
    return read(row, given)


def _converted(row: Parameter, given: str) -> Any:
    """A value written as text."""
    if row.kind in ("array", "object"):
        return typed(row, _composite(row, given))
    if row.kind == "string":
        return typed(row, given)
    if row.kind == "boolean":
        if given.lower() not in ("true", "false", "1", "0"):
            raise wrong_type(row, given)
        return given.lower() in ("true", "1")
    return typed(row, _number(row, given))


def _number(row: Parameter, given: str) -> int | float:
    plain = given.isascii() and given.strip() == given and "_" not in given  # int("1_000") and int(" 5 ") would pass
    try:
        if not plain or len(given) > 32:
            raise ValueError
        return int(given) if row.kind == "integer" else float(given)
    except ValueError:
        raise wrong_type(row, given) from None


def _composite(row: Parameter, given: str) -> Any:
    """A list or object written as JSON. Any other text is returned as it is: a list of strings may be one string."""
    if not given.startswith("[" if row.kind == "array" else "{"):
        return given
    try:
        return json.loads(given, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        message = f"{row.name} looks like JSON, but is malformed or repeats a key"
        raise InvalidParameter(message, param=row.name) from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a repeated key")
    return values


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name[:64], known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"
