"""`Parameter`: one field of a request, its type, limits, default and meaning; and the reading of one value of it.

A table of these makes a parser, a page of the documentation and a schema. Dialects make their rows from the native
ones with `dataclasses.replace`. Knows no Flask.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from inkwell.errors import InvalidParameter

MAX_INPUT_BYTES = 65_536
Kind = Literal["string", "integer", "number", "boolean", "array", "object"]
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row of a table. A default of None is decided later, as `help` says; `low` and `high` are inclusive.

    `target` is the field of a `GenerationRequest` that the value fills, if it is not called like the row. Lists and
    objects have a `parse` of their own, which gets the row and a JSON value and gives what is kept, and a `schema`.
    """

    name: str
    kind: Kind
    default: Any
    help: str
    example: Any
    low: float | None = None
    high: float | None = None
    above: float | None = None  # exclusive lower limit
    required: bool = False
    choices: tuple[str, ...] = ()
    may_be_empty: bool = False  # a string
    target: str = ""
    parse: Callable[["Parameter", Any], Any] | None = None
    as_json: Callable[[Any], Any] | None = None  # the inverse of `parse`, if JSON does not write the value as it is
    schema: Schema = field(default_factory=dict)

    @property
    def is_number(self) -> bool:
        return self.kind in ("integer", "number")

    @property
    def field(self) -> str:
        return self.target or self.name

    def to_json(self, value: Any) -> Any:
        """A value that was read, as a request would send it."""
        return self.as_json(value) if self.as_json else value

    @property
    def range(self) -> str:
        """The limits in words, as error messages and the documentation say them."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.above is not None:
            return f"above {plain(self.above)} and at most {plain(self.high)}"
        return f"between {plain(self.low)} and {plain(self.high)}" if self.low is not None else ""


def typed(row: Parameter, given: Any) -> Any:
    """A JSON value as the row wants it: true is no number, and 5.5 no integer. Raises InvalidParameter."""
    if row.parse is not None:
        return row.parse(row, given)
    fits = {
        "string": isinstance(given, str),
        "boolean": isinstance(given, bool),
        "integer": isinstance(given, int) and not isinstance(given, bool),
        "number": isinstance(given, int | float) and not isinstance(given, bool),
    }
    if not fits[row.kind]:
        raise wrong_type(row, given)
    return checked_text(row, given) if row.kind == "string" else _checked_range(row, given)


def _checked_range(row: Parameter, value: Any) -> Any:
    """Numbers become the type that the row names; NaN and infinity are in no range."""
    if row.kind == "boolean":
        return value
    too_low = value <= row.above if row.above is not None else value < row.low
    if (isinstance(value, float) and not math.isfinite(value)) or too_low or value > row.high:
        raise InvalidParameter(f"{row.name} must be {row.range}; it is {plain(value)}", param=row.name)
    return float(value) if row.kind == "number" else value


def checked_text(row: Parameter, value: str) -> str:
    """A string that can be encoded and is neither empty nor too long, or is one of the row's choices."""
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidParameter(f"{row.name} holds a lone surrogate, which is no character", param=row.name) from None
    if row.choices and value not in row.choices:
        raise InvalidParameter(f"{row.name} must be {row.range}; it is {value[:64]!r}", param=row.name)
    if not value and not row.may_be_empty:
        raise InvalidParameter(f"{row.name} must not be empty", param=row.name)
    if size > MAX_INPUT_BYTES:
        message = f"{row.name} must be at most {MAX_INPUT_BYTES} bytes long; it has {size}"
        raise InvalidParameter(message, param=row.name)
    return value


def wrong_type(row: Parameter, given: Any) -> InvalidParameter:
    """The error that says what the row takes and what it was given, without quoting more than a word of it."""
    article = "an" if row.kind[0] in "aio" else "a"
    shown = f"{given[:64]!r}" if isinstance(given, str) else _json_kind(given)
    return InvalidParameter(f"{row.name} must be {article} {row.kind}; it is {shown}", param=row.name)


def plain(value: float | int | None) -> str:
    """A number for a message: exact, without the fraction of a whole one, and never hundreds of digits."""
    text = str(value).removesuffix(".0")
    return text if len(text) <= 32 else f"a number of {len(text)} digits"


def _json_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return plain(value)
    return {dict: "an object", list: "a list", type(None): "null"}.get(type(value), "of another type")
