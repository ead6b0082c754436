"""The body of `/v1/completions`: accepted values, the resulting request, and refusals."""

import pytest

from inkwell.dialects.openai.completion_parameters import MAX_PROMPTS, ScoredPrompts, parse_completion
from inkwell.errors import InvalidParameter, RequestError, UnknownParameter, UnsupportedParameter
from inkwell.parameters import Generate, GenerationRequest, Score
from inkwell.parameters.sampling import Sampling


def request(**values: object):
    return parse_completion(values).request


def refused(kind: type[RequestError], param: str, **values: object) -> str:
    with pytest.raises(kind) as caught:
        parse_completion(values)
    assert caught.value.param == param
    return caught.value.message


def test_an_empty_body_begins_a_document_with_openai_s_defaults():
    wanted = request()
    assert wanted.prompts == ("<|endoftext|>",)
    assert wanted.model_name is None
    assert wanted.task == Generate(length=16)


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("a", ("a",)),
        ("", ("<|endoftext|>",)),
        (None, ("<|endoftext|>",)),
        (["a", ""], ("a", "<|endoftext|>")),
        ([1, 2], ((1, 2),)),
        ([[1, 2], [3]], ((1, 2), (3,))),
    ],
)
def test_a_prompt_has_four_forms(prompt: object, prompts: tuple):
    assert request(prompt=prompt).prompts == prompts


@pytest.mark.parametrize(
    "prompt",
    [[], [[]], [[1], []], ["a", 1], [1, "a"], [[1], "a"], [1.5], [True], [-1], [2**31], [None], [[["a"]]], 5, {}, True],
)
def test_other_prompts_are_refused(prompt: object):
    assert "must be a string, a list of token ids" in refused(InvalidParameter, "prompt", prompt=prompt)


def test_the_number_of_prompts_and_their_size_are_bounded():
    assert len(request(prompt=["a"] * MAX_PROMPTS).prompts) == MAX_PROMPTS
    assert "it holds 129" in refused(InvalidParameter, "prompt", prompt=["a"] * (MAX_PROMPTS + 1))
    assert "65536 bytes" in refused(InvalidParameter, "prompt", prompt=["a", "a" * 65_537])


def test_openai_s_names_fill_the_native_fields():
    wanted = request(model="m", max_tokens=5, n=2, best_of=3, stop="x", logprobs=0, logit_bias={"50256": -100}, seed=7)
    task = wanted.task
    assert (wanted.model_name, task.length, task.nsamples, task.best_of) == ("m", 5, 2, 3)
    assert (task.stop, task.logprobs, task.sampling.logit_bias, task.seed) == (("x",), 0, ((50256, -100.0),), 7)


def test_our_own_parameters_go_by_their_native_names():
    own = {"top_k": 3, "min_p": 0.1, "typical_p": 0.9, "repetition_penalty": 1.2, "ignore_eos": True, "truncate": 9,
           "finish_sentence": True, "sentence_grace_tokens": 4, "on_overflow": "slide", "timeout_s": 2.5}  # fmt: skip
    wanted = request(**own)
    assert {name: wanted.values()[name] for name in own} == own


def test_null_stands_for_the_default_everywhere():
    names = ("model", "prompt", "max_tokens", "temperature", "top_p", "n", "best_of", "stop", "logprobs", "echo",
             "stream", "stream_options", "seed", "user", "suffix", "logit_bias", "presence_penalty")  # fmt: skip
    assert request(**dict.fromkeys(names)) == request()


def test_a_top_p_of_nothing_leaves_the_likeliest_token():
    sampling = request(top_p=0, top_k=40).task.sampling
    assert (sampling.top_p, sampling.top_k, sampling.temperature) == (1.0, 1, 1.0)


def test_echo_with_logprobs_asks_for_those_of_the_prompt():
    assert request(echo=True, logprobs=2).task.prompt_logprobs == 2
    assert request(logprobs=2).task.prompt_logprobs is None
    assert request(echo=True).task.prompt_logprobs is None


def test_no_tokens_are_for_scoring_alone():
    wanted = {"prompt": ["a", "b"], "max_tokens": 0, "echo": True, "n": 3, "seed": 4, "truncate": 5, "timeout_s": 2}
    asked = parse_completion(wanted | {"logprobs": 1})
    request = GenerationRequest(("a", "b"), Score(1), truncate=5, timeout_s=2.0)
    assert asked == ScoredPrompts(request, Sampling(), include_usage=False, n=3)
    assert parse_completion(wanted).request.task == Score(None)
    assert "needs echo" in refused(InvalidParameter, "max_tokens", max_tokens=0)
    refused(InvalidParameter, "finish_sentence", max_tokens=0, echo=True, finish_sentence=True)


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"n": 2, "best_of": 1}, "best_of"),
        ({"best_of": 2, "stream": True}, "best_of"),
        ({"n": 0}, "n"),
        ({"n": 17}, "n"),
        ({"logprobs": 6}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": ""}, "stop"),
        ({"logit_bias": {"1": 101}}, "logit_bias"),
        ({"stream": "true"}, "stream"),
        ({"seed": -1}, "seed"),
        ({"user": 5}, "user"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream_options": True, "stream": True}, "stream_options"),
        ({"stream_options": {"include_usage": 1}, "stream": True}, "stream_options.include_usage"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_the_client_s_name(values: dict, param: str):
    refused(InvalidParameter, param, **values)


def test_n_and_best_of_may_be_equal_in_a_stream():
    assert request(n=2, best_of=2, stream=True).task.best_of == 2


@pytest.mark.parametrize("name", ["top_kk", "messages", "input_text", "length", "use_beam_search"])
def test_an_unknown_field_is_refused(name: str):
    refused(UnknownParameter, name, **{name: 1})


def test_a_suffix_is_refused_with_the_reason_unless_it_is_empty():
    assert "fill in no middle" in refused(UnsupportedParameter, "suffix", suffix="the end")
    assert request(suffix="") == request()


def test_stream_options_tell_whether_the_usage_is_wanted():
    assert parse_completion({"stream": True, "stream_options": {"include_usage": True}}).include_usage
    assert not parse_completion({"stream": True, "stream_options": {"include_obfuscation": False}}).include_usage
    options = {"stream": True, "stream_options": {"include_obfuscation": True}}
    refused(UnsupportedParameter, "stream_options.include_obfuscation", **options)
    refused(UnknownParameter, "stream_options", stream=True, stream_options={"continuous_usage_stats": True})
