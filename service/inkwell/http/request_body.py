"""Strict reading of a request's values: from JSON, a form or a query.

Python's parsers are too lenient for a service: `json.loads` accepts NaN, repeated keys and UTF-16, and query parsers
repair invalid UTF-8. Such input is refused here with InvalidBody, before any parameter is read.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from flask import Flask, Request, current_app
from werkzeug.exceptions import UnsupportedMediaType

from inkwell.access.admission import Admission
from inkwell.errors import InvalidBody, InvalidParameter
from inkwell.parameters import readable

MAX_DEPTH = 32
MAX_FIELDS = 64
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
ADMISSION = "inkwell.admission"  # key in app.extensions
ONLY_JSON = "send a JSON object in UTF-8 with the header Content-Type: application/json"
BRACKET_OR_STRING = re.compile(r'[\[\]{}]|"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def register(app: Flask, admission: Admission) -> None:
    """Let the admission limit how many large bodies are received at once."""
    app.extensions[ADMISSION] = admission


def read_query(request: Request) -> dict[str, str]:
    """The query's parameters; each may be given once."""
    return _read_pairs(request.environ.get("QUERY_STRING", "").encode("latin-1"), "the query")


def read_body(request: Request) -> tuple[dict[str, Any], bool]:
    """The body's values, and whether they are typed (JSON) or text (form). Raises QueueFull as `read_json` does."""
    _check_query(request)
    if not _is_plain_utf8(request):
        raise UnsupportedMediaType
    if request.mimetype == JSON:
        return _parsed(request, parse_json_object), True
    if request.mimetype == FORM:
        return _parsed(request, _parse_form), False
    raise UnsupportedMediaType


def read_json(request: Request) -> dict[str, Any]:
    """The values of a body that must be JSON. Raises QueueFull if too many large bodies are being received."""
    _check_query(request)
    if not _is_plain_utf8(request) or request.mimetype != JSON:
        raise UnsupportedMediaType(ONLY_JSON)
    return _parsed(request, parse_json_object)


def _parsed(request: Request, parse: Callable[[bytes], dict[str, Any]]) -> dict[str, Any]:
    """Refuses with QueueFull before receiving the body."""
    admission: Admission = current_app.extensions[ADMISSION]
    with admission.receiving(request.content_length or 0):  # Apache refuses a body of unknown length
        return parse(request.get_data(cache=False))


def _check_query(request: Request) -> None:
    if request.query_string:
        raise InvalidBody("a POST takes its parameters in the body, not in the query")


def _is_plain_utf8(request: Request) -> bool:
    """Neither compressed nor declared to be in another encoding."""
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    return charset in ("utf-8", "utf8") and request.headers.get("Content-Encoding", "identity") == "identity"


def parse_json_object(data: bytes) -> dict[str, Any]:
    """A JSON object from UTF-8 bytes: no NaN, no infinity, no repeated key, no lone surrogate, no deep nesting.

    Raises InvalidBody, or InvalidParameter for a field with a value that no field may have.
    """
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
    for name, each in value.items():
        _check_field(name, each)
    return value


def _check_depth(text: str) -> None:
    depth = 0
    for found in BRACKET_OR_STRING.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > MAX_DEPTH:
            raise InvalidBody(f"the body is nested more than {MAX_DEPTH} deep")


def _check_field(name: str, value: Any) -> None:
    """Refuse, at any depth, values that are valid JSON but never valid parameters: 1e400, which becomes infinity, and
    half of a surrogate pair. Encoding the value again finds both."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        message = f"{readable(name)} holds a lone surrogate, which is no character"
        raise InvalidParameter(message, param=readable(name)) from None
    except ValueError:
        raise InvalidParameter(f"{readable(name)} holds a number that is too large", param=readable(name)) from None


def _refuse_constant(name: str) -> float:
    raise InvalidBody(f"{name} is not JSON")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        repeated = readable(next(name for name, count in counts.items() if count > 1))
        raise InvalidBody(f"{repeated!r} is given more than once", param=repeated)
    return values


def _parse_form(data: bytes) -> dict[str, str]:
    if data.startswith(b"{"):  # `curl -d` sends JSON as a form by default
        raise InvalidBody("the body looks like JSON; send it with the header Content-Type: application/json")
    return _read_pairs(data, "the form")


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
