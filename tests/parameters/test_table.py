"""The native parameter table and its parser: defaults, limits, names, and arbitrary input."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkwell.errors import RequestError, UnknownParameter
from inkwell.parameters import PARAMETERS, Generate, GenerationRequest, parse_json, parse_text
from tests.parameters.native import from_json, from_text, refusal

ALONG = {"best_of": {"nsamples": 1}}


def test_the_defaults_are_those_of_the_old_service():
    request = parse_json({"input_text": "where is finland?"})
    assert request == GenerationRequest(("where is finland?",), Generate())
    sampling = request.task.sampling
    assert (sampling.temperature, sampling.top_k, sampling.top_p, request.task.nsamples) == (1.0, 0, 1.0, 1)
    assert parse_text({"input_text": "where is finland?"}) == request


def test_null_stands_for_the_default():
    nothing = dict.fromkeys(row.name for row in PARAMETERS if not row.required)
    assert from_json(**nothing) == from_json()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("length", 1), ("length", 8192),
        ("temperature", 0), ("temperature", 2), ("temperature", 1e-9), ("temperature", 1e-400),
        ("top_k", 0), ("top_k", 100_000),
        ("top_p", 1e-9), ("top_p", 1),
        ("min_p", 0), ("min_p", 1), ("typical_p", 1e-9), ("typical_p", 1),
        ("repetition_penalty", 0.01), ("repetition_penalty", 100),
        ("presence_penalty", -2), ("presence_penalty", 2), ("frequency_penalty", -2), ("frequency_penalty", 2),
        ("seed", 0), ("seed", 2**63 - 1),
        ("nsamples", 16), ("sentence_grace_tokens", 1), ("sentence_grace_tokens", 256),
        ("truncate", 1), ("truncate", 65_536), ("timeout_s", 1e-3), ("timeout_s", 86_400),
        ("logprobs", 0), ("logprobs", 20), ("prompt_logprobs", 0), ("prompt_logprobs", 20), ("best_of", 16),
        ("stream", True), ("keep_stop", True), ("ignore_eos", True), ("finish_sentence", True), ("echo", True),
        ("trim_start", True),
    ],
)  # fmt: skip
def test_the_limits_themselves_are_allowed(name: str, value: Any):
    assert from_json(**{name: value}).values()[name] == value
    assert from_text(**{name: str(value).lower()}).values()[name] == value


@pytest.mark.parametrize(
    ("name", "value", "limits"),
    [
        ("length", 0, "between 1 and 8192; it is 0"),
        ("length", -1, "between 1 and 8192; it is -1"),
        ("length", 8193, "between 1 and 8192; it is 8193"),
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
        ("nsamples", 0, "between 1 and 16; it is 0"),
        ("nsamples", 17, "between 1 and 16; it is 17"),
        ("best_of", 0, "between 1 and 16; it is 0"),
        ("sentence_grace_tokens", 0, "between 1 and 256; it is 0"),
        ("sentence_grace_tokens", 257, "it is 257"),
        ("truncate", 0, "between 1 and 65536; it is 0"),
        ("timeout_s", 0, "above 0 and at most 86400; it is 0"),
        ("timeout_s", 86_401, "it is 86401"),
        ("logprobs", -1, "between 0 and 20; it is -1"),
        ("logprobs", 21, "between 0 and 20; it is 21"),
        ("prompt_logprobs", 21, "it is 21"),
    ],
)
def test_a_value_beyond_a_limit_is_refused_with_field_limit_and_value(name: str, value: Any, limits: str):
    assert limits in refusal(from_json, **{name: value})
    assert limits in refusal(from_text, **{name: str(value)})


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
    assert len(caught.value.message) < 600 and len(caught.value.param) == 64


def test_every_row_has_a_meaning_a_sane_default_and_an_example_that_fits():
    for row in PARAMETERS:
        assert row.help.endswith(".")
        assert from_json(**{row.name: row.example, **ALONG.get(row.name, {})}) is not None
        if row.name != "input_text":
            assert from_json().values()[row.field] == row.default
        if row.default is not None and row.parse is None:
            assert from_json(**{row.name: row.default}) == from_json()


@pytest.mark.parametrize("parse", [from_json, from_text])
def test_the_best_of_fewer_than_are_wanted_cannot_be_chosen(parse: Any):
    one = (lambda number: number) if parse is from_json else str
    assert "at least nsamples, which is 3; it is 2" in refusal(parse, best_of=one(2), nsamples=one(3))
    assert parse(best_of=one(3), nsamples=one(3)).task.best_of == 3


def test_a_choice_among_texts_cannot_be_streamed():
    assert "cannot be streamed" in refusal(from_json, best_of=2, stream=True)
    assert from_json(best_of=2, nsamples=2, stream=True).task.best_of == 2


def test_only_the_words_of_a_choice_are_taken():
    assert [from_text(on_overflow=word).on_overflow for word in ("error", "truncate_left", "slide")]
    for word in ("", "Slide", "left"):
        assert f"one of error, truncate_left, slide; it is {word!r}" in refusal(from_json, on_overflow=word)


names = st.sampled_from([row.name for row in PARAMETERS]) | st.text(max_size=12)
json_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
json_values = json_scalars | st.lists(json_scalars, max_size=3) | st.dictionaries(st.text(), json_scalars, max_size=3)


@given(st.dictionaries(names, json_values, max_size=4))
def test_any_json_object_is_either_a_valid_request_or_refused(values: dict):
    try:
        check(parse_json(values))
    except RequestError as error:
        assert error.message and len(error.message) < 600


@given(st.dictionaries(names, st.text() | st.floats().map(str) | st.integers().map(str), max_size=4))
def test_any_form_is_either_a_valid_request_or_refused(values: dict):
    try:
        check(parse_text(values))
    except RequestError as error:
        assert error.message and len(error.message) < 600


def check(request: GenerationRequest[Generate]) -> None:
    (prompt,) = request.prompts
    assert prompt.encode()
    for row in PARAMETERS:
        if row.name == "input_text":
            continue
        value = request.values()[row.field]
        if row.is_number and value is not None:
            assert type(value) is (int if row.kind == "integer" else float)
            assert (row.low is None or row.low <= value) and (row.above is None or row.above < value)
            assert value <= row.high
        elif row.kind == "boolean":
            assert type(value) is bool
        elif row.kind in ("array", "object"):
            assert type(value) is tuple and hash(value) is not None
        else:
            assert value is None or value.encode()
