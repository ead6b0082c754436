"""Single values of a request: numbers, booleans and strings, in JSON and as text."""

import math
from typing import Any

import pytest

from inkwell.errors import InvalidParameter
from inkwell.parameters import MAX_INPUT_BYTES, PARAMETERS, parse_json
from tests.parameters.native import from_json, from_text, refusal

HUGE = 10**400
NUMBERS = [row.name for row in PARAMETERS if row.is_number]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [HUGE, -HUGE])
def test_an_absurd_number_is_refused_without_its_digits(name: str, value: int):
    assert "a number of 40" in refusal(from_json, **{name: value})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", [row.name for row in PARAMETERS if row.kind == "number"])
def test_nan_and_infinity_are_in_no_range(name: str, value: float):
    assert f"it is {value}" in refusal(from_json, **{name: value})
    assert f"it is {value}" in refusal(from_text, **{name: str(value)})


def test_a_number_that_overflows_is_infinite():
    assert "it is inf" in refusal(from_text, temperature="1e400")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "true"), (False, "false"), ("5", "'5'"), ([5], "a list"), ({"a": 1}, "an object")],
)
@pytest.mark.parametrize("name", NUMBERS)
def test_another_json_type_is_no_number(name: str, value: Any, shown: str):
    message = refusal(from_json, **{name: value})
    assert message.endswith(f"; it is {shown}") and ("must be an integer" in message or "must be a number" in message)


@pytest.mark.parametrize("value", [5.0, 1.5, 1e300])
def test_a_fraction_is_no_integer(value: float):
    assert "must be an integer; it is" in refusal(from_json, length=value)


@pytest.mark.parametrize(
    "value", ["", " ", "5.0", " 5", "5 ", "1_000", "0x10", "1e2", "٥", "five", "+", "9" * 5000, "5\x00"]
)
def test_other_text_is_no_integer(value: str):
    assert "length must be an integer; it is" in refusal(from_text, length=value)


@pytest.mark.parametrize("value", ["", "1_0", " 1", "٠", "one", "1,5", "0x1p3"])
def test_other_text_is_no_number(value: str):
    assert "temperature must be a number; it is" in refusal(from_text, temperature=value)


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("True", True), ("1", True), ("false", False), ("0", False)]
)
def test_text_can_say_true_and_false(text: str, value: bool):
    assert from_text(stream=text).stream is value


@pytest.mark.parametrize("value", ["yes", "", "on", "2"])
def test_other_text_is_no_boolean(value: str):
    assert "stream must be a boolean" in refusal(from_text, stream=value)


@pytest.mark.parametrize("value", ["true", 1, 0, [], 1.0])
def test_in_json_only_true_and_false_are_booleans(value: Any):
    assert "stream must be a boolean" in refusal(from_json, stream=value)


@pytest.mark.parametrize("value", [5, 1.5, True, ["x"], {"x": 1}])
@pytest.mark.parametrize("name", ["input_text", "model_name"])
def test_another_json_type_is_no_text(name: str, value: Any):
    assert f"{name} must be a string" in refusal(from_json, **{name: value})


@pytest.mark.parametrize("values", [{}, {"input_text": None}])
def test_input_text_must_be_there(values: dict):
    with pytest.raises(InvalidParameter, match="^input_text is missing$"):
        parse_json(values)


def test_empty_text_is_refused():
    assert "must not be empty" in refusal(from_text, input_text="")
    assert "must not be empty" in refusal(from_json, model_name="")


@pytest.mark.parametrize("text", [" ", "\n", "\0", "a\0b", "\u202e", "\u200d", "\ue000", "e\u0301", "😀", "\U0010ffff"])
def test_any_other_text_is_taken_as_it_is(text: str):
    assert from_json(input_text=text).prompts == from_text(input_text=text).prompts == (text,)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ude00\ud83d"])
def test_a_lone_surrogate_is_no_character(text: str):
    assert "lone surrogate" in refusal(from_json, input_text=text)
    assert "lone surrogate" in refusal(from_json, model_name=text)


def test_text_is_measured_in_bytes():
    fits = "é" * (MAX_INPUT_BYTES // 2)
    assert from_json(input_text=fits).prompts == (fits,)
    assert f"at most {MAX_INPUT_BYTES} bytes long; it has {MAX_INPUT_BYTES + 1}" in refusal(
        from_json, input_text=fits + "a"
    )
