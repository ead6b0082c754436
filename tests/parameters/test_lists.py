"""Stop strings and biases, as JSON and as text, and tables with refused fields."""

import json
import math
from typing import Any

import pytest

from inkwell.errors import InvalidParameter, UnknownParameter, UnsupportedParameter
from inkwell.parameters import BY_NAME
from inkwell.parameters.lists import BIAS_LIMIT, MAX_BIASES, MAX_STOPS, STOP_BYTES
from inkwell.parameters.reading import read_json
from tests.parameters.native import from_json, from_text, refusal

# --- stop strings


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("\n\n", ("\n\n",)),
        (["a", "b"], ("a", "b")),
        ([], ()),
        (["a"] * MAX_STOPS, ("a",) * MAX_STOPS),
        (" ", (" ",)),
        ("é" * (STOP_BYTES // 2), ("é" * (STOP_BYTES // 2),)),
        (["[", "😀"], ("[", "😀")),
    ],
)
def test_stop_is_one_string_or_a_list_of_them(written: Any, meant: tuple[str, ...]):
    assert from_json(stop=written).task.stop == meant
    assert from_text(stop=written if isinstance(written, str) else json.dumps(written)).task.stop == meant


@pytest.mark.parametrize("plain", ["END", '"END"', "{", "a[0]", "null", "\\n"])
def test_text_that_does_not_begin_like_a_list_is_one_stop_string_as_it_is(plain: str):
    assert from_text(stop=plain).task.stop == (plain,)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (5, "a string or a list of strings"),
        (True, "a string or a list of strings"),
        ({"a": 1}, "a string or a list of strings"),
        (["a", 5], "a string or a list of strings"),
        ([["a"]], "a string or a list of strings"),
        ([None], "a string or a list of strings"),
        (["a"] * (MAX_STOPS + 1), f"may hold {MAX_STOPS} strings; it holds {MAX_STOPS + 1}"),
        ("", "must not be empty"),
        (["a", ""], "must not be empty"),
        ("é" * (STOP_BYTES // 2 + 1), f"at most {STOP_BYTES} bytes"),
        ("\ud800", "lone surrogate"),
    ],
)
def test_another_stop_is_refused(given: Any, words: str):
    assert words in refusal(from_json, stop=given)


@pytest.mark.parametrize("text", ["[", '["a"', "[a]", '["a", "b"] c', "[" * 100_000])
def test_half_a_list_in_text_is_refused_rather_than_taken_for_a_string(text: str):
    assert "looks like JSON" in refusal(from_text, stop=text)


@pytest.mark.parametrize("text", ["[5]", "[null]", "[[]]", '[""]', '["\\ud800"]'])
def test_a_list_of_other_things_in_text_is_refused(text: str):
    refusal(from_text, stop=text)


# --- biases


def test_biases_become_numbers_by_token_in_order():
    wanted = ((0, -100.0), (7, 0.5), (13, 100.0))
    assert from_json(logit_bias={"13": 100, "0": -100, "7": 0.5}).task.sampling.logit_bias == wanted
    assert from_text(logit_bias='{"13": 100, "0": -100, "7": 0.5}').task.sampling.logit_bias == wanted
    assert (
        from_json(logit_bias={}).task.sampling.logit_bias == from_text(logit_bias="{}").task.sampling.logit_bias == ()
    )


@pytest.mark.parametrize(
    "key", ["-1", "+1", "01", " 1", "1.0", "1e2", "", "one", "٣", "³", "9" * 10, "\ud800", "1" * 5000]
)
def test_a_key_that_is_no_token_id_is_refused(key: str):
    assert "the keys of logit_bias must be token ids" in refusal(from_json, logit_bias={key: 1})


@pytest.mark.parametrize(
    ("value", "shown"),
    [(BIAS_LIMIT + 0.1, "100.1"), (-101, "-101"), (math.nan, "nan"), (math.inf, "inf"), (10**400, "401 digits"),
     ("1", "no number"), (True, "no number"), (None, "no number"), ([1], "no number")],
)  # fmt: skip
def test_a_bias_that_is_no_number_between_the_limits_is_refused(value: Any, shown: str):
    message = refusal(from_json, logit_bias={"5": value})
    assert message.startswith("logit_bias of token 5 must be between -100 and 100") and message.endswith(shown)


@pytest.mark.parametrize(("given", "shown"), [([], "a list"), ("x", "'x'"), (5, "5"), (True, "true")])
def test_another_json_type_holds_no_biases(given: Any, shown: str):
    assert refusal(from_json, logit_bias=given) == f"logit_bias must be an object; it is {shown}"


def test_there_are_only_so_many_biases():
    assert (
        len(from_json(logit_bias={str(token): 1 for token in range(MAX_BIASES)}).task.sampling.logit_bias) == MAX_BIASES
    )
    message = refusal(from_json, logit_bias={str(token): 1 for token in range(MAX_BIASES + 1)})
    assert f"may hold {MAX_BIASES} tokens; it holds {MAX_BIASES + 1}" in message


@pytest.mark.parametrize(
    "text", ["", "x", "{", '{"1": }', '{"1": 1, "1": 2}', '{"1": NaN}', '{"1": 1e400}', "[]", '{"a": 1}', '{"1": "1"}']
)
def test_other_text_holds_no_biases(text: str):
    refusal(from_text, logit_bias=text)


# --- tables


def test_a_refused_field_is_told_with_its_reason_unless_it_says_nothing():
    table, refused = [BY_NAME["top_k"]], {"suffix": "nothing is filled in"}
    with pytest.raises(UnsupportedParameter, match="^suffix is not supported: nothing is filled in$") as caught:
        read_json(table, {"suffix": "x"}, refused)
    assert caught.value.param == "suffix"
    assert read_json(table, {"suffix": None, "top_k": 3}, refused) == {"top_k": 3}
    with pytest.raises(UnknownParameter):
        read_json(table, {"sufix": None}, refused)


def test_a_row_fills_the_field_that_it_aims_at():
    row = BY_NAME["length"]
    assert row.field == "length"
    with pytest.raises(InvalidParameter, match="^input_text is missing$"):
        read_json([BY_NAME["input_text"]], {})
