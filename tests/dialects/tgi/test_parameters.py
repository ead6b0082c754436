"""TGI's parameters: the resulting request, when sampling is on, and refusals."""

import pytest

from inkwell.dialects.tgi.parameters import REFUSED, TGI_PARAMETERS, TgiRequest, parse_tgi
from inkwell.errors import InvalidParameter, RequestError, UnknownParameter, UnsupportedParameter
from inkwell.parameters import Generate, GenerationRequest
from inkwell.parameters.sampling import GREEDY, Sampling


def parsed(**parameters: object) -> TgiRequest:
    return parse_tgi({"inputs": "a", "parameters": parameters})


def refusal(values: dict[str, object], kind: type[RequestError], param: str, stream: bool | None = None) -> str:
    with pytest.raises(kind) as caught:
        parse_tgi(values, stream)
    assert caught.value.param == param
    return caught.value.message


@pytest.mark.parametrize("envelope", [{}, {"parameters": {}}, {"parameters": None}])
def test_without_parameters_the_text_is_the_likeliest_one(envelope: dict[str, object]):
    expected = GenerationRequest(("a",), Generate(sampling=GREEDY, keep_stop=True, best_of=1))
    assert parse_tgi({"inputs": "a"} | envelope) == TgiRequest(expected, details=False)


def test_every_name_reaches_its_field():
    request = parsed(
        max_new_tokens=9, do_sample=True, temperature=0.5, top_k=3, top_p=0.9, typical_p=0.8, repetition_penalty=1.2,
        frequency_penalty=0.3, seed=4, stop=["x", "y"], best_of=2, truncate=5, return_full_text=True, min_p=0.1,
        presence_penalty=0.2, logit_bias={"3": 1}, ignore_eos=True, finish_sentence=True, sentence_grace_tokens=4,
        on_overflow="slide", timeout_s=3, keep_stop=False,
    ).request  # fmt: skip
    task = Generate(
        length=9, sampling=Sampling(0.5, 3, 0.9, 0.1, 0.8, 1.2, 0.2, 0.3, ((3, 1.0),)), seed=4, stop=("x", "y"),
        best_of=2, echo=True, ignore_eos=True, finish_sentence=True, sentence_grace_tokens=4,
    )  # fmt: skip
    assert request == GenerationRequest(("a",), task, truncate=5, on_overflow="slide", timeout_s=3.0)


def test_model_and_stream_stand_beside_the_parameters():
    request = parse_tgi({"inputs": "a", "model": "gpt2", "stream": True}).request
    assert (request.model_name, request.stream) == ("gpt2", True)


@pytest.mark.parametrize(
    ("parameters", "temperature"),
    [
        ({}, 0.0),
        ({"seed": 3}, 0.0),
        ({"do_sample": False}, 0.0),
        ({"do_sample": None, "top_k": None}, 0.0),
        ({"do_sample": True}, 1.0),
        ({"temperature": 0.7}, 0.7),
        ({"temperature": 0}, 0.0),
        ({"top_k": 5}, 1.0),
        ({"top_p": 1.0}, 1.0),
        ({"typical_p": 0.9}, 1.0),
        ({"min_p": 0.1}, 1.0),
        ({"do_sample": False, "top_p": 0.9}, 1.0),  # sent by clients that always send both
    ],
)
def test_any_sampling_parameter_asks_for_sampling(parameters: dict[str, object], temperature: float):
    assert parsed(**parameters).request.task.sampling.temperature == temperature


@pytest.mark.parametrize(
    ("parameters", "details", "logprobs", "prompt_logprobs"),
    [
        ({}, False, None, None),
        ({"details": True}, True, 0, None),
        ({"top_n_tokens": 3}, True, 3, None),
        ({"decoder_input_details": True}, True, 0, 0),
    ],
)
def test_details_ask_for_log_probabilities(
    parameters: dict[str, object], details: bool, logprobs: int | None, prompt_logprobs: int | None
):
    wanted = parsed(**parameters)
    assert (wanted.details, wanted.request.task.logprobs, wanted.request.task.prompt_logprobs) == (
        details, logprobs, prompt_logprobs
    )  # fmt: skip


def test_a_stream_tells_every_token_also_without_details():
    wanted = parse_tgi({"inputs": "a"}, stream=True)
    assert (wanted.details, wanted.request.task.logprobs, wanted.request.stream) == (False, 0, True)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_honoured_is_refused_with_the_reason(name: str):
    message = refusal({"inputs": "a", "parameters": {name: True}}, UnsupportedParameter, name)
    assert REFUSED[name] in message


@pytest.mark.parametrize("parameters", [{"watermark": False}, {"watermark": None}, {"grammar": None}])
def test_asking_for_nothing_unsupported_passes(parameters: dict[str, object]):
    assert parsed(**parameters) == parsed()


@pytest.mark.parametrize(
    ("values", "kind", "param"),
    [
        ({}, InvalidParameter, "inputs"),
        ({"inputs": ""}, InvalidParameter, "inputs"),
        ({"inputs": ["a"]}, InvalidParameter, "inputs"),
        ({"inputs": "a", "parameters": []}, InvalidParameter, "parameters"),
        ({"inputs": "a", "temperature": 1}, UnknownParameter, "temperature"),
        ({"inputs": "a", "parameters": {"max_tokens": 1}}, UnknownParameter, "max_tokens"),
        ({"inputs": "a", "parameters": {"max_new_tokens": 0}}, InvalidParameter, "max_new_tokens"),
        ({"inputs": "a", "parameters": {"top_n_tokens": 6}}, InvalidParameter, "top_n_tokens"),
        ({"inputs": "a", "parameters": {"stop": ["a"] * 5}}, InvalidParameter, "stop"),
        ({"inputs": "a", "parameters": {"best_of": 2}}, InvalidParameter, "best_of"),
        ({"inputs": "a", "parameters": {"best_of": 2, "top_k": 5}, "stream": True}, InvalidParameter, "best_of"),
        (
            {"inputs": "a", "parameters": {"decoder_input_details": True}, "stream": True},
            InvalidParameter,
            "decoder_input_details",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(values: dict[str, object], kind: type[RequestError], param: str):
    refusal(values, kind, param)


def test_an_address_that_only_streams_refuses_not_to():
    assert "/generate" in refusal({"inputs": "a", "stream": False}, InvalidParameter, "stream", stream=True)


@pytest.mark.parametrize("row", TGI_PARAMETERS, ids=lambda row: row.name)
def test_the_example_of_every_parameter_is_a_value_that_it_takes(row):
    sampling = {} if row.name == "do_sample" else {"do_sample": True}
    assert parsed(**sampling, **{row.name: row.example}).request.prompts == ("a",)
