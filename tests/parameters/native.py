"""Helpers of the tests of the native table: requests from JSON and from text, and their refusals."""

from typing import Any

import pytest

from inkwell.errors import InvalidParameter
from inkwell.parameters import Generate, GenerationRequest, parse_json, parse_text


def from_json(**values: Any) -> GenerationRequest[Generate]:
    return parse_json({"input_text": "x", **values})


def from_text(**values: str) -> GenerationRequest[Generate]:
    return parse_text({"input_text": "x", **values})


def refusal(parse: Any, **values: Any) -> str:
    """Return the message that refuses these values; it must name the first one as the parameter at fault."""
    with pytest.raises(InvalidParameter) as caught:
        parse(**values)
    assert caught.value.param == next(iter(values))
    assert caught.value.param in caught.value.message and len(caught.value.message) < 200
    return caught.value.message
