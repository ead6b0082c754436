"""Every parameter of a generation request, once: name, type, default, range, meaning and example.

The table makes the parser, the Swagger page and the README. Takes what a client sent (JSON values, or text from a
query or form), gives a frozen `GenerationRequest`; below this line nobody checks ranges again. Knows no Flask.
"""

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from service.errors import InvalidParameter, UnknownParameter

MAX_INPUT_BYTES = 65_536
Kind = Literal["string", "integer", "number", "boolean"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row of the table. A default of None is decided later, as `help` says; `low` and `high` are inclusive."""

    name: str
    kind: Kind
    default: Any
    help: str
    example: Any
    low: float | None = None
    high: float | None = None
    above: float | None = None  # exclusive lower limit
    required: bool = False

    @property
    def is_number(self) -> bool:
        return self.kind in ("integer", "number")

    @property
    def range(self) -> str:
        """The limits in words, as error messages and the documentation say them."""
        if self.above is not None:
            return f"above {self.above:g} and at most {self.high:g}"
        return f"between {_plain(self.low)} and {_plain(self.high)}" if self.low is not None else ""


PARAMETERS = (
    Parameter(
        "input_text", "string", None,
        f"The text to continue, at most {MAX_INPUT_BYTES:,} bytes of UTF-8.", "Once upon a time", required=True,
    ),
    Parameter("model_name", "string", None, "Which model answers; the service's default model if absent.", "demo"),
    Parameter(
        "length", "integer", None,
        "Most tokens to generate. If absent: half of the model's context, or what the prompt leaves of it.",
        40, low=1, high=2048,
    ),
    Parameter(
        "temperature", "number", 1.0,
        "Below 1 the likely tokens become likelier, above 1 the unlikely ones; 0 always takes the likeliest.",
        0.8, low=0, high=2,
    ),
    Parameter("top_k", "integer", 0, "Choose among the k likeliest tokens; 0 is no limit.", 40, low=0, high=100_000),
    Parameter(
        "top_p", "number", 1.0,
        "Choose among the likeliest tokens that together have this probability; 1 is no limit.",
        0.95, above=0, high=1,
    ),
    Parameter(
        "min_p", "number", 0.0,
        "Drop tokens less likely than this share of the likeliest token's probability; 0 is no limit.",
        0.05, low=0, high=1,
    ),
    Parameter(
        "typical_p", "number", 1.0,
        "Choose among the tokens about as surprising as is to be expected that together have this probability; "
        "1 is no limit.",
        0.9, above=0, high=1,
    ),
    Parameter(
        "repetition_penalty", "number", 1.0,
        "Above 1, tokens that the prompt or the generated text holds become less likely: a positive logit is divided "
        "by it, a negative one multiplied; 1 is none.",
        1.1, low=0.01, high=100,
    ),
    Parameter(
        "presence_penalty", "number", 0.0,
        "Taken off the logit of every token that the generated text holds; the prompt does not count. 0 is none.",
        0.5, low=-2, high=2,
    ),
    Parameter(
        "frequency_penalty", "number", 0.0,
        "Taken off a token's logit once for each time that the generated text holds it; the prompt does not count. "
        "0 is none.",
        0.5, low=-2, high=2,
    ),
    Parameter(
        "seed", "integer", None,
        "The same request with the same seed gives the same text. If absent, one is drawn; the JSON answer tells it.",
        7, low=0, high=2**63 - 1,
    ),
    Parameter("nsamples", "integer", 1, "How many texts to generate; more than one needs JSON or a stream.", 1,
              low=1, high=8),
    Parameter("stream", "boolean", False, "Send the text as server-sent events while it is generated.", False),
)  # fmt: skip

BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A valid request. `None` stands for what only the model or the service can decide."""

    input_text: str
    model_name: str | None
    length: int | None
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    typical_p: float
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    seed: int | None
    nsamples: int
    stream: bool


def parse_json(values: Mapping[str, Any]) -> GenerationRequest:
    """A request from a JSON object: types must fit as they are, null stands for the default."""
    return _parse(values, _typed)


def parse_text(values: Mapping[str, str]) -> GenerationRequest:
    """A request from a query or a form, where every value is text."""
    return _parse(values, _converted)


def readable(name: str) -> str:
    """A client's own name for a parameter as it may stand in a reply: short, and without lone surrogates."""
    return name[:64].encode(errors="replace").decode()


def _parse(values: Mapping[str, Any], read: Callable[[Parameter, Any], Any]) -> GenerationRequest:
    for name in values:
        if name not in BY_NAME:
            raise UnknownParameter(f"unknown parameter {readable(name)!r}{_nearest(name)}", param=readable(name))
    return GenerationRequest(**{row.name: _value(row, values.get(row.name), read) for row in PARAMETERS})


def _value(row: Parameter, given: Any, read: Callable[[Parameter, Any], Any]) -> Any:
    if given is None:
        if row.required:
            raise InvalidParameter(f"{row.name} is missing", param=row.name)
        return row.default
    value = read(row, given)
    return _checked_text(row, value) if row.kind == "string" else _checked_range(row, value)


def _typed(row: Parameter, given: Any) -> Any:
    """A JSON value of the row's type; true is no number, and 5.0 is no integer."""
    fits = {
        "string": isinstance(given, str),
        "boolean": isinstance(given, bool),
        "integer": isinstance(given, int) and not isinstance(given, bool),
        "number": isinstance(given, int | float) and not isinstance(given, bool),
    }
    if not fits[row.kind]:
        raise _wrong_type(row, given)
    return given


def _converted(row: Parameter, given: str) -> Any:
    """A value written as text."""
    if row.kind == "string":
        return given
    if row.kind == "boolean":
        if given.lower() not in ("true", "false", "1", "0"):
            raise _wrong_type(row, given)
        return given.lower() in ("true", "1")
    plain = given.isascii() and given.strip() == given and "_" not in given  # int("1_000") and int(" 5 ") would pass
    try:
        if not plain or len(given) > 32:
            raise ValueError
        return int(given) if row.kind == "integer" else float(given)
    except ValueError:
        raise _wrong_type(row, given) from None


def _checked_range(row: Parameter, value: Any) -> Any:
    """Numbers become the type that the row names; NaN and infinity are in no range."""
    if row.kind == "boolean":
        return value
    too_low = value <= row.above if row.above is not None else value < row.low
    if (isinstance(value, float) and not math.isfinite(value)) or too_low or value > row.high:
        raise InvalidParameter(f"{row.name} must be {row.range}; it is {_plain(value)}", param=row.name)
    return float(value) if row.kind == "number" else value


def _checked_text(row: Parameter, value: str) -> str:
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidParameter(f"{row.name} holds a lone surrogate, which is no character", param=row.name) from None
    if not value:
        raise InvalidParameter(f"{row.name} must not be empty", param=row.name)
    if size > MAX_INPUT_BYTES:
        message = f"{row.name} must be at most {MAX_INPUT_BYTES} bytes long; it has {size}"
        raise InvalidParameter(message, param=row.name)
    return value


def _wrong_type(row: Parameter, given: Any) -> InvalidParameter:
    article = "an" if row.kind == "integer" else "a"
    shown = f"; it is {str(given)[:64]!r}" if isinstance(given, str) else f"; it is {_json_kind(given)}"
    return InvalidParameter(f"{row.name} must be {article} {row.kind}{shown}", param=row.name)


def _json_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _plain(value)
    return {dict: "an object", list: "a list"}.get(type(value), "of another type")


def _plain(value: float | int | None) -> str:
    """A number for a message: exact, without the fraction of a whole one, and never hundreds of digits."""
    text = str(value).removesuffix(".0")
    return text if len(text) <= 32 else f"a number of {len(text)} digits"


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name[:64], list(BY_NAME), n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(BY_NAME)}"
