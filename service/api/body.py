"""Reads what a request carries into plain values, strictly: JSON, a form or a query.

Python's own parsers are more lenient than a service can be: `json.loads` takes NaN, repeated keys and UTF-16, and
query parsers repair broken UTF-8. Here such input is refused with InvalidBody, before anybody looks at a parameter.
"""

import json
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl

from flask import Request
from werkzeug.exceptions import UnsupportedMediaType

from service.errors import InvalidBody, InvalidParameter
from service.params import readable

MAX_DEPTH = 32
MAX_FIELDS = 64
FORM = "application/x-www-form-urlencoded"


def read_query(request: Request) -> dict[str, str]:
    """The query's parameters; each may be given once."""
    return _read_pairs(request.environ.get("QUERY_STRING", "").encode("latin-1"), "the query")


def read_body(request: Request) -> tuple[dict[str, Any], bool]:
    """The body's values, and whether they are typed (JSON) or text (form)."""
    if request.query_string:
        raise InvalidBody("a POST takes its parameters in the body, not in the query")
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8") or request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType
    if request.mimetype == "application/json":
        return parse_json_object(request.get_data(cache=False)), True
    if request.mimetype == FORM:
        data = request.get_data(cache=False)
        if data.startswith(b"{"):  # what `curl -d` sends unless it is told otherwise
            raise InvalidBody("the body looks like JSON; send it with the header Content-Type: application/json")
        return _read_pairs(data, "the form"), False
    raise UnsupportedMediaType


def parse_json_object(data: bytes) -> dict[str, Any]:
    """A JSON object from UTF-8 bytes: no NaN, no infinity, no repeated key, no lone surrogate, no deep nesting."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidBody(f"the body is not UTF-8 (at byte {error.start})") from None
    _check_depth(text)
    try:
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise InvalidBody(f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except ValueError:  # an integer of thousands of digits
        raise InvalidBody("the body holds a number that is too long") from None
    if not isinstance(value, dict):
        raise InvalidBody("the body must be a JSON object")
    return value


def _check_depth(text: str) -> None:
    # An upper bound without a parser: brackets inside strings count too, but no parameter needs 32 of them nested.
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            escaped, in_string = character == "\\" and not escaped, escaped or character != '"'
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidBody(f"the body is nested more than {MAX_DEPTH} deep")
        elif character in "]}":
            depth -= 1


def _refuse_constant(name: str) -> float:
    raise InvalidBody(f"{name} is not JSON")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        repeated = readable(next(name for name, count in counts.items() if count > 1))
        raise InvalidBody(f"{repeated!r} is given more than once", param=repeated)
    return values


def _read_pairs(data: bytes, place: str) -> dict[str, str]:
    try:
        text = data.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError:
        raise InvalidBody(f"{place} is not percent-encoded UTF-8") from None
    except ValueError:
        raise InvalidBody(f"{place} holds more than {MAX_FIELDS} parameters") from None
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise InvalidParameter(f"{readable(name)} is given more than once", param=readable(name))
        values[name] = value
    return values
