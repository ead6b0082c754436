"""The parameters that `/v1/score`, `/v1/next` and the tokeniser endpoints accept and refuse."""

import pytest

from inkwell.dialects.next.parameters import parse_next
from inkwell.dialects.score.parameters import ScoreRequest, parse_score
from inkwell.dialects.tokens.parameters import DETOKENIZE_PARAMETERS
from inkwell.errors import InvalidParameter, RequestError, UnknownParameter, UnsupportedParameter
from inkwell.parameters import GenerationRequest, Inspect
from inkwell.parameters.reading import read_json
from inkwell.parameters.sampling import Sampling

PAIR = {"prompt": "a", "continuations": ["b"]}


def test_a_text_or_a_prompt_with_continuations_is_scored():
    assert parse_score({"text": "ab", "model": "m", "from_start": True}) == ScoreRequest("m", "ab", True, None, None)
    assert parse_score({"prompt": "", "continuations": ["b", "c"]}) == ScoreRequest(None, None, False, "", ("b", "c"))


@pytest.mark.parametrize(
    ("values", "kind", "param"),
    [
        ({}, InvalidParameter, "text"),
        ({"text": ""}, InvalidParameter, "text"),
        ({"text": "a", "prompt": "b"}, InvalidParameter, "text"),
        ({"text": "a", "continuations": ["b"]}, InvalidParameter, "text"),
        ({"prompt": "a"}, InvalidParameter, "continuations"),
        ({"continuations": ["a"]}, InvalidParameter, "prompt"),
        (PAIR | {"continuations": "b"}, InvalidParameter, "continuations"),
        (PAIR | {"continuations": []}, InvalidParameter, "continuations"),
        (PAIR | {"continuations": ["b"] * 17}, InvalidParameter, "continuations"),
        (PAIR | {"continuations": ["b", ""]}, InvalidParameter, "continuations"),
        (PAIR | {"continuations": ["b", 1]}, InvalidParameter, "continuations"),
        (PAIR | {"from_start": True}, InvalidParameter, "from_start"),
        (PAIR | {"temperature": 1}, UnknownParameter, "temperature"),
    ],
)
def test_a_score_of_something_else_is_refused(values: dict[str, object], kind: type[RequestError], param: str):
    with pytest.raises(kind) as caught:
        parse_score(values)
    assert caught.value.param == param


def test_the_next_token_is_looked_at_and_none_generated():
    request = parse_next({"prompt": "a", "model": "m", "top": 3, "temperature": 0.5, "logit_bias": {"1": 2}})
    task = Inspect(3, Sampling(0.5, logit_bias=((1, 2.0),)))
    assert request == GenerationRequest(("a",), task, model_name="m")


@pytest.mark.parametrize(
    ("values", "kind", "param"),
    [
        ({}, InvalidParameter, "prompt"),
        ({"prompt": "a", "top": 0}, InvalidParameter, "top"),
        ({"prompt": "a", "top": 51}, InvalidParameter, "top"),
        ({"prompt": "a", "length": 3}, UnknownParameter, "length"),
        ({"prompt": "a", "presence_penalty": 1}, UnsupportedParameter, "presence_penalty"),
        ({"prompt": "a", "frequency_penalty": 1}, UnsupportedParameter, "frequency_penalty"),
    ],
)
def test_what_changes_nothing_about_the_next_token_is_refused(
    values: dict[str, object], kind: type[RequestError], param: str
):
    with pytest.raises(kind) as caught:
        parse_next(values)
    assert caught.value.param == param


@pytest.mark.parametrize("tokens", [None, "1", [1, "2"], [-1], [1.0], [True], [0] * 65_537])
def test_only_a_list_of_ids_can_be_spelled(tokens: object):
    with pytest.raises(InvalidParameter) as caught:
        read_json(DETOKENIZE_PARAMETERS, {"tokens": tokens})
    assert caught.value.param == "tokens" and len(caught.value.message) < 100
