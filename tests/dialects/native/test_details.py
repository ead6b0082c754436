"""Reply details besides the text: log-probabilities, the prompt, its parameters, and the headers."""

import json
import math

import pytest
from flask.testing import FlaskClient

from tests.dialects.native.native import JSON, PATH, ask, details_of, sample_of, stream_of, texts
from tests.serving import problem

PROMPT = "Once upon a time"
MIXED = {
    "length": 30, "seed": 2**53 + 1, "temperature": 0.9, "top_k": 50, "top_p": 0.95, "min_p": 0.01, "typical_p": 0.99,
    "repetition_penalty": 1.1, "presence_penalty": 0.2, "frequency_penalty": 0.1, "logit_bias": {"260": -3, "12": 1.5},
    "stop": ["\n\n", " never"], "keep_stop": True, "ignore_eos": True, "finish_sentence": True,
    "sentence_grace_tokens": 9, "on_overflow": "slide", "truncate": 3, "timeout_s": 100, "logprobs": 2,
    "prompt_logprobs": 1, "trim_start": True, "echo": True, "nsamples": 2, "best_of": 3,
}  # fmt: skip

# --- the prompt before the text


@pytest.mark.parametrize("prompt", [PROMPT, " 世é😀 ", "<|endoftext|>Once"])
def test_the_text_can_begin_with_the_prompt(demo: FlaskClient, prompt: str):
    asked = {"input_text": prompt, "length": 12, "seed": 4, "nsamples": 2}
    plain = [sample["text"] for sample in details_of(demo, **asked)["samples"]]
    echoed = [sample["text"] for sample in details_of(demo, **asked, echo=True)["samples"]]
    assert echoed == [prompt + text for text in plain]
    assert texts(stream_of(demo, **asked, echo=True), 2) == echoed
    text = demo.post(PATH, json={"input_text": prompt, "length": 12, "seed": 4, "echo": True}).text
    assert text == echoed[0]


def test_an_empty_text_is_echoed_too(client: FlaskClient):
    asked = {"input_text": "The end.", "temperature": 0, "echo": True}
    assert sample_of(client, **asked)["text"] == "The end."
    assert texts(stream_of(client, **asked)) == ["The end."]


# --- log-probabilities


@pytest.mark.parametrize("ranks", [0, 1, 5, 20])
def test_every_token_is_told_with_its_probability_and_place(demo: FlaskClient, ranks: int):
    sample = sample_of(demo, length=25, seed=6, logprobs=ranks)
    assert len(sample["tokens"]) == sample["generated_tokens"] == 25
    assert "".join(token["text"] for token in sample["tokens"]) == sample["text"]
    for token in sample["tokens"]:
        assert sample["text"][token["offset"] :].startswith(token["text"])
        assert token["logprob"] < 0
        top = token.get("top", [])
        assert len(top) == ranks == len({each["id"] for each in top})
        assert top == sorted(top, key=lambda each: -each["logprob"])
        assert sum(math.exp(each["logprob"]) for each in top) <= 1.000001
        assert all(each["logprob"] == token["logprob"] for each in top if each["id"] == token["id"])


def test_sampling_does_not_change_what_the_model_thinks(demo: FlaskClient):
    free = sample_of(demo, length=1, temperature=0, logprobs=3)["tokens"][0]
    bound = sample_of(demo, length=1, temperature=0, logprobs=3, logit_bias={str(free["id"]): -100})["tokens"][0]
    assert bound["id"] == free["top"][1]["id"] and bound["top"] == free["top"]
    assert bound["logprob"] == free["top"][1]["logprob"]


def test_the_prompt_is_told_once_and_its_first_token_has_no_probability(demo: FlaskClient):
    samples = details_of(demo, length=3, seed=1, nsamples=3, prompt_logprobs=2)["samples"]
    assert ["prompt" in sample for sample in samples] == [True, False, False]
    first, *others = samples[0]["prompt"]
    assert first["logprob"] is None and "top" not in first
    assert all(token["logprob"] < 0 and len(token["top"]) == 2 for token in others)
    assert "".join(token["text"] for token in (first, *others)) == PROMPT


def test_what_was_generated_has_the_same_probability_as_a_prompt(demo: FlaskClient):
    sample = sample_of(demo, length=8, seed=6, logprobs=0)
    again = sample_of(demo, input_text=PROMPT + sample["text"], length=1, prompt_logprobs=0)["prompt"][-8:]
    assert [token["id"] for token in again] == [token["id"] for token in sample["tokens"]]
    assert [token["logprob"] for token in again] == pytest.approx([token["logprob"] for token in sample["tokens"]])


def test_a_stream_tells_tokens_with_their_text(demo: FlaskClient):
    asked = {"length": 25, "seed": 6, "logprobs": 1, "nsamples": 2, "stop": [" the"]}
    whole = details_of(demo, **asked)["samples"]
    *pieces, _, _ = stream_of(demo, **asked)
    for number, sample in enumerate(whole):
        mine = [piece for piece in pieces if piece["sample"] == number]
        assert [token for piece in mine for token in piece.get("tokens", [])] == sample["tokens"]


def test_tokens_that_spell_one_character_stand_in_one_place(client: FlaskClient):
    tokens = sample_of(client, input_text=" ", length=8, temperature=0, logprobs=0)["tokens"]
    assert [(token["offset"], token["text"]) for token in tokens] == [
        *[(0, "\ufffd")] * 4, *[(1, "\ufffd")] * 3, (2, "\ufffd")
    ]  # fmt: skip


def test_nobody_is_told_tokens_that_were_not_asked_for(demo: FlaskClient):
    assert "tokens" not in sample_of(demo, length=5, best_of=3, seed=1)


# --- best_of


def test_the_best_texts_are_those_that_are_likeliest_by_token(demo: FlaskClient):
    asked = {"length": 20, "seed": 9, "logprobs": 0, "ignore_eos": True}
    everything = details_of(demo, **asked, nsamples=6)["samples"]
    best = details_of(demo, **asked, nsamples=2, best_of=6)

    def mean(sample: dict) -> float:
        return sum(token["logprob"] for token in sample["tokens"]) / sample["generated_tokens"]

    assert best["samples"] == sorted(everything, key=mean, reverse=True)[:2]
    assert best["generated_tokens"] == sum(sample["generated_tokens"] for sample in everything)


@pytest.mark.parametrize("seed", range(3))
def test_the_first_of_the_best_texts_has_the_prompt_whichever_it_is(demo: FlaskClient, seed: int):
    samples = details_of(demo, length=5, seed=seed, nsamples=2, best_of=4, prompt_logprobs=0)["samples"]
    assert [token["logprob"] is None for token in samples[0]["prompt"]][:2] == [True, False]
    assert "prompt" not in samples[1]


def test_a_choice_among_texts_is_no_stream(demo: FlaskClient):
    response = demo.post(PATH, json={"input_text": "a", "best_of": 2}, headers={"Accept": "text/event-stream"})
    problem(response, 400, "invalid_parameter", "best_of")


# --- biases


def test_a_banned_token_never_comes_and_a_favoured_one_always(demo: FlaskClient):
    free = sample_of(demo, length=40, seed=3, logprobs=0)
    banned = {str(token["id"]): -100 for token in free["tokens"]}
    bound = sample_of(demo, length=40, seed=3, logprobs=0, logit_bias=banned)
    assert not {str(token["id"]) for token in bound["tokens"]} & banned.keys()
    favoured = sample_of(demo, length=5, seed=3, logprobs=0, logit_bias={"500": 100})
    assert {token["id"] for token in favoured["tokens"]} == {500}


def test_a_bias_for_a_token_that_the_model_lacks_is_refused(demo: FlaskClient):
    message = problem(ask(demo, logit_bias={"1": 1, "3000": 1}), 400, "invalid_parameter", "logit_bias")
    assert "token 3000" in message and "from 0 to 2999" in message


# --- parameters and headers


@pytest.mark.parametrize("asked", [{"length": 12}, MIXED, {**MIXED, "temperature": 0, "best_of": None}])
def test_the_parameters_of_a_reply_sent_again_give_the_same_bytes(demo: FlaskClient, asked: dict):
    first = ask(demo, **asked)
    assert first.status_code == 200, first.text
    again = ask(demo, **first.json["parameters"])
    assert again.json["samples"] == first.json["samples"]
    assert again.json["parameters"] == first.json["parameters"]
    by_header = ask(demo, **json.loads(first.headers["X-Inkwell-Parameters"]))
    assert by_header.json["samples"] == first.json["samples"]
    asked_for = {name: value for name, value in asked.items() if value is not None}
    assert {name: first.json["parameters"][name] for name in asked_for} == asked_for


def test_the_headers_of_a_whole_reply_tell_its_facts(demo: FlaskClient):
    for response in (ask(demo, **MIXED), demo.post(PATH, json={"input_text": PROMPT, "length": 3, "seed": 5})):
        headers = response.headers
        assert headers["X-Inkwell-Model"] == "demo"
        assert json.loads(headers["X-Inkwell-Parameters"])["seed"] == int(headers["X-Inkwell-Seed"])
        queue_s, first_s, total_s = (
            float(headers[f"X-Inkwell-{name}"]) for name in ("Queue-Seconds", "First-Token-Seconds", "Seconds")
        )
        assert 0 <= queue_s <= first_s <= total_s
        assert int(headers["X-Inkwell-Generated-Tokens"]) > 0
    assert headers["X-Inkwell-Finish-Reason"] == "length" and headers["X-Inkwell-Prompt-Tokens"] == "4"


def test_the_headers_of_a_stream_tell_what_is_known_before_it(demo: FlaskClient):
    response = demo.post(PATH, json={"input_text": PROMPT, "length": 3, "seed": 5, "stream": True}, buffered=True)
    names = {name for name in response.headers.keys() if name.startswith("X-Inkwell-")}
    assert names == {f"X-Inkwell-{name}" for name in ("Model", "Seed", "Prompt-Tokens", "Parameters")}


def test_parameters_that_are_too_long_for_a_header_stand_in_the_body_alone(demo: FlaskClient):
    biases = {str(token): -1 for token in range(1000)}
    response = demo.post(PATH, json={"input_text": "a", "length": 1, "logit_bias": biases}, headers=JSON)
    assert response.json["parameters"]["logit_bias"] == biases
    assert "X-Inkwell-Parameters" not in response.headers
