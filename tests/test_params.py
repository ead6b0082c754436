"""The table of parameters and its parser: what is taken, what is refused, and with which words."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidParameter, RequestError, UnknownParameter
from service.params import MAX_INPUT_BYTES, PARAMETERS, GenerationRequest, parse_json, parse_text

HUGE = 10**400
NUMBERS = [row.name for row in PARAMETERS if row.is_number]


def from_json(**values: Any) -> GenerationRequest:
    return parse_json({"input_text": "x", **values})


def from_text(**values: str) -> GenerationRequest:
    return parse_text({"input_text": "x", **values})


def refusal(parse: Any, **values: Any) -> str:
    """The message that refuses these values; it must name the first of them as the parameter at fault."""
    with pytest.raises(InvalidParameter) as caught:
        parse(**values)
    assert caught.value.param == next(iter(values))
    assert caught.value.message.startswith(caught.value.param) and len(caught.value.message) < 200
    return caught.value.message


def test_the_defaults_are_those_of_the_old_service():
    request = parse_json({"input_text": "where is finland?"})
    assert request == GenerationRequest(
        "where is finland?", None, length=None, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, typical_p=1.0,
        repetition_penalty=1.0, presence_penalty=0.0, frequency_penalty=0.0, seed=None, nsamples=1, stream=False,
    )  # fmt: skip
    assert parse_text({"input_text": "where is finland?"}) == request


def test_null_stands_for_the_default():
    nothing = dict.fromkeys(row.name for row in PARAMETERS if not row.required)
    assert from_json(**nothing) == from_json()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("length", 1), ("length", 2048),
        ("temperature", 0), ("temperature", 2), ("temperature", 1e-9), ("temperature", 1e-400),
        ("top_k", 0), ("top_k", 100_000),
        ("top_p", 1e-9), ("top_p", 1),
        ("min_p", 0), ("min_p", 1), ("typical_p", 1e-9), ("typical_p", 1),
        ("repetition_penalty", 0.01), ("repetition_penalty", 100),
        ("presence_penalty", -2), ("presence_penalty", 2), ("frequency_penalty", -2), ("frequency_penalty", 2),
        ("seed", 0), ("seed", 2**63 - 1),
        ("nsamples", 8), ("stream", True),
    ],
)  # fmt: skip
def test_the_limits_themselves_are_allowed(name: str, value: Any):
    assert getattr(from_json(**{name: value}), name) == value
    assert getattr(from_text(**{name: str(value).lower()}), name) == value


@pytest.mark.parametrize(
    ("name", "value", "limits"),
    [
        ("length", 0, "between 1 and 2048; it is 0"),
        ("length", -1, "between 1 and 2048; it is -1"),
        ("length", 2049, "between 1 and 2048; it is 2049"),
        ("length", 10**9, "it is 1000000000"),
        ("temperature", -1, "between 0 and 2; it is -1"),
        ("temperature", -1e-9, "between 0 and 2; it is -1e-09"),
        ("temperature", 2.0000001, "between 0 and 2; it is 2.0000001"),
        ("temperature", 1e9, "it is 1000000000"),
        ("top_k", -1, "between 0 and 100000; it is -1"),
        ("top_k", 100_001, "it is 100001"),
        ("top_p", 0, "above 0 and at most 1; it is 0"),
        ("top_p", 1.5, "above 0 and at most 1; it is 1.5"),
        ("top_p", -0.0, "above 0"),
        ("min_p", -0.1, "between 0 and 1; it is -0.1"),
        ("min_p", 1.1, "between 0 and 1; it is 1.1"),
        ("typical_p", 0, "above 0 and at most 1; it is 0"),
        ("typical_p", 1.1, "above 0 and at most 1; it is 1.1"),
        ("repetition_penalty", 0, "between 0.01 and 100; it is 0"),
        ("repetition_penalty", 100.5, "between 0.01 and 100; it is 100.5"),
        ("presence_penalty", -2.1, "between -2 and 2; it is -2.1"),
        ("presence_penalty", 2.1, "between -2 and 2; it is 2.1"),
        ("frequency_penalty", -2.1, "between -2 and 2; it is -2.1"),
        ("frequency_penalty", 2.1, "between -2 and 2; it is 2.1"),
        ("seed", -1, "between 0 and 9223372036854775807; it is -1"),
        ("seed", 2**63, "it is 9223372036854775808"),
        ("nsamples", 0, "between 1 and 8; it is 0"),
        ("nsamples", 9, "between 1 and 8; it is 9"),
    ],
)
def test_a_value_beyond_a_limit_is_refused_with_field_limit_and_value(name: str, value: Any, limits: str):
    assert limits in refusal(from_json, **{name: value})
    assert limits in refusal(from_text, **{name: str(value)})


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
    assert from_json(input_text=text).input_text == from_text(input_text=text).input_text == text


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ude00\ud83d"])
def test_a_lone_surrogate_is_no_character(text: str):
    assert "lone surrogate" in refusal(from_json, input_text=text)
    assert "lone surrogate" in refusal(from_json, model_name=text)


def test_text_is_measured_in_bytes():
    fits = "é" * (MAX_INPUT_BYTES // 2)
    assert from_json(input_text=fits).input_text == fits
    assert f"at most {MAX_INPUT_BYTES} bytes long; it has {MAX_INPUT_BYTES + 1}" in refusal(
        from_json, input_text=fits + "a"
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [("temprature", "temperature"), ("topk", "top_k"), ("Length", "length"), ("prompt_text", "input_text"),
     ("model", "model_name"), ("n_samples", "nsamples")],
)  # fmt: skip
def test_an_unknown_parameter_is_told_with_the_nearest_known_one(name: str, meant: str):
    with pytest.raises(UnknownParameter) as caught:
        parse_json({"input_text": "x", name: 1})
    assert caught.value.param == name
    assert f"unknown parameter {name!r}; did you mean {meant}?" == caught.value.message


def test_an_unknown_parameter_that_resembles_none_is_told_with_all_of_them():
    with pytest.raises(UnknownParameter) as caught:
        parse_text({"zzzz": "1"})
    assert all(row.name in caught.value.message for row in PARAMETERS)


def test_an_endless_name_is_cut():
    with pytest.raises(UnknownParameter) as caught:
        parse_json({"input_text" * 10_000: 1})
    assert len(caught.value.message) < 400 and len(caught.value.param) == 64


def test_every_row_has_a_meaning_a_sane_default_and_an_example_that_fits():
    for row in PARAMETERS:
        assert row.help.endswith(".")
        assert getattr(from_json(**{row.name: row.example}), row.name) == row.example
        if row.default is not None:
            assert getattr(from_json(**{row.name: row.default}), row.name) == row.default


names = st.sampled_from([row.name for row in PARAMETERS]) | st.text(max_size=12)
json_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
json_values = json_scalars | st.lists(json_scalars, max_size=3) | st.dictionaries(st.text(), json_scalars, max_size=3)


@given(st.dictionaries(names, json_values, max_size=4))
def test_any_json_object_is_either_a_valid_request_or_refused(values: dict):
    try:
        check(parse_json(values))
    except RequestError as error:
        assert error.message and len(error.message) < 400


@given(st.dictionaries(names, st.text() | st.floats().map(str) | st.integers().map(str), max_size=4))
def test_any_form_is_either_a_valid_request_or_refused(values: dict):
    try:
        check(parse_text(values))
    except RequestError as error:
        assert error.message and len(error.message) < 400


def check(request: GenerationRequest) -> None:
    assert request.input_text.encode()
    assert isinstance(request.temperature, float) and 0 <= request.temperature <= 2
    assert all(isinstance(share, float) and 0 < share <= 1 for share in (request.top_p, request.typical_p))
    assert isinstance(request.min_p, float) and 0 <= request.min_p <= 1
    assert isinstance(request.repetition_penalty, float) and request.repetition_penalty > 0
    for penalty in (request.presence_penalty, request.frequency_penalty):
        assert isinstance(penalty, float) and -2 <= penalty <= 2
    for value in (request.length, request.top_k, request.seed, request.nsamples):
        assert value is None or type(value) is int and value >= 0
