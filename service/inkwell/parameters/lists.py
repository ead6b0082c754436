"""Parsers of the parameters that are lists or objects: stop strings and biases.

Each takes its row and a JSON value and returns a tuple or raises InvalidParameter.
"""

from collections.abc import Mapping
from typing import Any

from inkwell.errors import InvalidParameter
from inkwell.parameters.parameter import Parameter, checked_text, plain, wrong_type

MAX_STOPS = 4  # as in OpenAI's API
STOP_BYTES = 256
MAX_BIASES = 1_024
BIAS_LIMIT = 100
_STOP = {"type": "string", "minLength": 1}
STOP_SCHEMA: Mapping[str, Any] = {"oneOf": [_STOP, {"type": "array", "items": _STOP, "maxItems": MAX_STOPS}]}
BIAS_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": {"type": "number", "minimum": -BIAS_LIMIT, "maximum": BIAS_LIMIT},
}


def stops(row: Parameter, given: Any) -> tuple[str, ...]:
    """One string or a list of up to four."""
    values = [given] if isinstance(given, str) else given
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidParameter(f"{row.name} must be a string or a list of strings", param=row.name)
    if len(values) > MAX_STOPS:
        raise InvalidParameter(f"{row.name} may hold {MAX_STOPS} strings; it holds {len(values)}", param=row.name)
    if any(len(checked_text(row, value).encode()) > STOP_BYTES for value in values):
        raise InvalidParameter(f"each string of {row.name} must be at most {STOP_BYTES} bytes long", param=row.name)
    return tuple(values)


def biases(row: Parameter, given: Any) -> tuple[tuple[int, float], ...]:
    """An object that maps token ids, written as strings, to numbers between -100 and 100."""
    if not isinstance(given, dict):
        raise wrong_type(row, given)
    if len(given) > MAX_BIASES:
        raise InvalidParameter(f"{row.name} may hold {MAX_BIASES} tokens; it holds {len(given)}", param=row.name)
    return tuple(sorted((_token(row, key), _bias(row, key, value)) for key, value in given.items()))


def biases_as_json(pairs: tuple[tuple[int, float], ...]) -> dict[str, float]:
    """The inverse of `biases`."""
    return {str(token): bias for token, bias in pairs}


def _token(row: Parameter, key: str) -> int:
    if not (key.isascii() and key.isdecimal() and len(key) <= 9 and str(int(key)) == key):
        raise InvalidParameter(f"the keys of {row.name} must be token ids; one is {key[:32]!r}", param=row.name)
    return int(key)


def _bias(row: Parameter, key: str, value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and -BIAS_LIMIT <= value <= BIAS_LIMIT):
        shown = plain(value) if number else "no number"
        message = f"{row.name} of token {key} must be between -{BIAS_LIMIT} and {BIAS_LIMIT}; it is {shown}"
        raise InvalidParameter(message, param=row.name)
    return float(value)
