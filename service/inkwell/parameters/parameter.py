"""`Parameter`: one field of a request with its type, limits, default and meaning, and the parsing of its values.

Parsers, documentation and schemas are generated from tables of these. Dialects derive their rows from the native ones
with `dataclasses.replace`. Knows no Flask.
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
    """One row of a table. `low` and `high` are inclusive; a default of None is decided later, as `help` says.

    `target` is the field of `GenerationRequest` that the value fills, if its name differs from the row's. Rows of lists
    and objects have their own `parse`, from the row and a JSON value to the parsed value, and their own `schema`.
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
    may_be_empty: bool = False  # for strings
    target: str = ""
    parse: Callable[["Parameter", Any], Any] | None = None
    as_json: Callable[[Any], Any] | None = None  # the inverse of `parse`, if it is not the identity
    schema: Schema = field(default_factory=dict)

    @property
    def is_number(self) -> bool:
        return self.kind in ("integer", "number")

    @property
    def field(self) -> str:
        return self.target or self.name

    def to_json(self, value: Any) -> Any:
        """A parsed value in the form that requests use."""
        return self.as_json(value) if self.as_json else value

    @property
    def range(self) -> str:
        """The limits in words, for error messages and documentation."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.above is not None:
            return f"above {plain(self.above)} and at most {plain(self.high)}"
        return f"between {plain(self.low)} and {plain(self.high)}" if self.low is not None else ""


def typed(row: Parameter, given: Any) -> Any:
    """Check a JSON value against the row: true is not a number, 5.5 not an integer. Raises InvalidParameter."""
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
    """Check the range and convert to the row's number type; NaN and infinity are in no range."""
    if row.kind == "boolean":
        return value
    too_low = value <= row.above if row.above is not None else value < row.low
    if (isinstance(value, float) and not math.isfinite(value)) or too_low or value > row.high:
        raise InvalidParameter(f"{row.name} must be {row.range}; it is {plain(value)}", param=row.name)
    return float(value) if row.kind == "number" else value


def checked_text(row: Parameter, value: str) -> str:
    """Check that a string is valid Unicode, neither empty nor too long, and one of the row's choices if it has any."""
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
    """An error with the expected type and the start of the given value."""
    article = "an" if row.kind[0] in "aio" else "a"
    shown = f"{given[:64]!r}" if isinstance(given, str) else _json_kind(given)
    return InvalidParameter(f"{row.name} must be {article} {row.kind}; it is {shown}", param=row.name)


def plain(value: float | int | None) -> str:
    """A number for a message: exact, without ".0", and never hundreds of digits."""
    text = str(value).removesuffix(".0")
    return text if len(text) <= 32 else f"a number of {len(text)} digits"


def _json_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return plain(value)
    return {dict: "an object", list: "a list", type(None): "null"}.get(type(value), "of another type")
