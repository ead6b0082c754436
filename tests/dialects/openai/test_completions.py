"""`/v1/completions` as whole replies: shape, prompts, echo, log-probabilities, reasons, errors."""

import math
import re
import time
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.servable import CERTAINTY, VOCABULARY, continued
from tests.serving import problem, running_app

PATH = "/v1/completions"
# A token's log-probability where the model is as sure as it gets, and where it is as unsure about every other one.
SURE = CERTAINTY - math.log(math.exp(CERTAINTY) + VOCABULARY - 1)
UNSURE = -math.log(math.exp(CERTAINTY) + VOCABULARY - 1)


def complete(client: FlaskClient, **values: object) -> dict:
    response = client.post(PATH, json={"temperature": 0, **values})
    assert response.status_code == 200, response.text
    return response.json


def texts(client: FlaskClient, **values: object) -> list[str]:
    choices = complete(client, **values)["choices"]
    assert [choice["index"] for choice in choices] == list(range(len(choices)))
    return [choice["text"] for choice in choices]


def test_a_reply_has_openai_s_shape_and_our_facts_at_the_end(client: FlaskClient):
    asked = {"model": "gpt2", "prompt": "ab", "max_tokens": 4, "temperature": 0, "seed": 7, "user": "somebody"}
    response = client.post(PATH, json=asked, headers={"X-Request-Id": "mine"})
    reply = response.json
    metadata, created = reply.pop("inkwell"), reply.pop("created")
    assert time.time() - 60 < created <= time.time()
    assert reply == {
        "id": "cmpl-mine",
        "object": "text_completion",
        "model": "124M",
        "system_fingerprint": reply["system_fingerprint"],
        "choices": [{"text": "cdef", "index": 0, "logprobs": None, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6},
    }
    assert re.fullmatch(r"inkwell-[\w.]+-cpu-float32-(native|torch)-\w+", reply["system_fingerprint"])
    assert (metadata["request_id"], metadata["finish_reasons"]) == ("mine", ["length"])
    assert metadata["parameters"]["seed"] == 7
    assert (response.headers["X-Inkwell-Seed"], response.headers["X-Inkwell-Model"]) == ("7", "124M")


def test_sixteen_tokens_are_the_default(client: FlaskClient):
    assert texts(client, prompt="a") == [continued("a", 16)]


def test_the_four_forms_of_a_prompt(client: FlaskClient):
    assert texts(client, prompt=["a", "1"], max_tokens=3) == ["bcd", "234"]
    as_tokens = client.post("/tokenize", json={"inputs": "a"}).json
    ids = [token["id"] for token in as_tokens]
    assert texts(client, prompt=ids, max_tokens=3) == ["bcd"]
    assert texts(client, prompt=[ids, ids * 2], max_tokens=3) == ["bcd", "bcd"]


@pytest.mark.parametrize("prompt", [{}, {"prompt": ""}, {"prompt": None}, {"prompt": [""]}])
def test_no_prompt_is_the_beginning_of_a_document(client: FlaskClient, prompt: dict):
    reply = complete(client, **prompt, max_tokens=3)
    assert reply["usage"]["prompt_tokens"] == 1
    assert reply["choices"][0]["text"] == complete(client, prompt="<|endoftext|>", max_tokens=3)["choices"][0]["text"]


def test_samples_of_a_prompt_stand_together_and_the_first_is_that_of_a_single_one(client: FlaskClient):
    asked = {"prompt": ["a", "1"], "n": 2, "seed": 5, "temperature": 1, "max_tokens": 12}
    found = texts(client, **asked)
    assert found[0] != found[1] and found[2] != found[3]
    assert found[::2] == texts(client, **asked | {"n": 1})
    assert found[2] == texts(client, **asked | {"prompt": "1", "n": 1})[0]


def test_a_prompt_that_is_sent_twice_gets_two_texts(client: FlaskClient):
    asked = {"seed": 5, "temperature": 1, "max_tokens": 12}
    one, other = texts(client, prompt=["a", "a"], **asked)
    assert one != other and [one, other] == texts(client, prompt="a", n=2, **asked)


def test_the_tokens_found_computed_are_those_of_all_prompts(client: FlaskClient):
    asked = {"prompt": ["found again " * 20, "and this one " * 20], "max_tokens": 1}
    complete(client, **asked)
    assert complete(client, **asked)["inkwell"]["cached_tokens"] > 400


def test_best_of_gives_the_likeliest_and_counts_all(client: FlaskClient):
    asked = {"prompt": "a", "seed": 5, "temperature": 1, "max_tokens": 12, "logprobs": 0}
    every = complete(client, **asked, n=4)["choices"]
    reply = complete(client, **asked, n=2, best_of=4)

    def likelihood(choice: dict) -> float:
        return sum(choice["logprobs"]["token_logprobs"]) / max(len(choice["logprobs"]["tokens"]), 1)

    best = sorted(every, key=likelihood, reverse=True)[:2]
    assert [choice["text"] for choice in reply["choices"]] == [choice["text"] for choice in best]
    assert reply["usage"]["completion_tokens"] == sum(len(choice["logprobs"]["tokens"]) for choice in every)


def test_best_of_shows_no_logprobs_that_nobody_asked_for(client: FlaskClient):
    assert complete(client, prompt="a", best_of=2, max_tokens=2)["choices"][0]["logprobs"] is None


def test_logprobs_are_four_lists(client: FlaskClient):
    logprobs = complete(client, prompt="a", max_tokens=2, logprobs=2)["choices"][0]["logprobs"]
    assert logprobs["tokens"] == ["b", "c"] and logprobs["text_offset"] == [0, 1]
    assert logprobs["token_logprobs"] == pytest.approx([SURE, SURE], abs=0.01)
    assert [list(likeliest)[0] for likeliest in logprobs["top_logprobs"]] == ["b", "c"]
    assert [len(likeliest) for likeliest in logprobs["top_logprobs"]] == [2, 2]
    assert min(logprobs["top_logprobs"][0].values()) == pytest.approx(UNSURE, abs=0.01)


def test_the_chosen_token_is_always_among_the_likeliest(client: FlaskClient):
    for top in (0, 1):
        asked = {"prompt": "a", "max_tokens": 1, "logprobs": top, "logit_bias": {"66": -100}}
        logprobs = complete(client, **asked)["choices"][0]["logprobs"]
        token, likeliest = logprobs["tokens"][0], logprobs["top_logprobs"][0]
        assert token != "b" and likeliest[token] == logprobs["token_logprobs"][0] == pytest.approx(UNSURE, abs=0.01)
        assert set(likeliest) == ({token, "b"} if top else {token})


def test_a_part_of_a_character_is_told_as_its_bytes(client: FlaskClient):
    choice = complete(client, prompt=" ", max_tokens=5, logprobs=1)["choices"][0]
    assert choice["text"] == continued(" ", 5)
    assert choice["logprobs"]["tokens"] == [
        "bytes:\\xf0", "bytes:\\x9f", "bytes:\\x98", "bytes:\\x80", "bytes:\\xe4",
    ]  # fmt: skip
    assert choice["logprobs"]["text_offset"] == [0, 0, 0, 0, 1]


def test_echo_puts_the_prompt_before_the_text(client: FlaskClient):
    assert texts(client, prompt=["a", "é1"], echo=True, max_tokens=2) == ["abc", "é123"]


def test_echo_with_logprobs_begins_with_the_prompt_s_tokens_for_every_sample(client: FlaskClient):
    for choice in complete(client, prompt="ab", echo=True, logprobs=1, max_tokens=2, n=2)["choices"]:
        logprobs = choice["logprobs"]
        assert (choice["text"], logprobs["tokens"], logprobs["text_offset"]) == (
            "abcd",
            ["a", "b", "c", "d"],
            [0, 1, 2, 3],
        )
        assert logprobs["token_logprobs"][0] is None and logprobs["top_logprobs"][0] is None
        assert logprobs["token_logprobs"][1:] == pytest.approx([SURE] * 3, abs=0.01)


def test_offsets_count_characters_of_the_echo_too(client: FlaskClient):
    logprobs = complete(client, prompt="é1", echo=True, logprobs=0, max_tokens=1)["choices"][0]["logprobs"]
    assert logprobs["tokens"] == ["bytes:\\xc3", "bytes:\\xa9", "1", "2"] and logprobs["text_offset"] == [0, 0, 1, 2]


def test_a_bias_for_a_token_that_the_model_lacks_is_refused_also_where_nothing_is_generated(client: FlaskClient):
    asked = {"prompt": "ab", "echo": True, "max_tokens": 0, "logit_bias": {"257": 1}}
    assert "the token 257" in problem(client.post(PATH, json=asked), 400, "invalid_parameter", "logit_bias")


def test_no_tokens_score_the_prompt(client: FlaskClient):
    reply = complete(client, prompt=["abd", "12"], echo=True, logprobs=1, max_tokens=0)
    assert reply["usage"] == {"prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 5}
    first, second = reply["choices"]
    assert first["text"] == "abd" and second["text"] == "12"
    assert first["logprobs"]["token_logprobs"][0] is None
    assert first["logprobs"]["token_logprobs"][1:] == pytest.approx([SURE, UNSURE], abs=0.01)
    assert list(first["logprobs"]["top_logprobs"][2]) == ["c", "d"]
    assert [choice["finish_reason"] for choice in reply["choices"]] == ["length", "length"]


def test_a_scored_prompt_has_as_many_equal_choices_as_were_asked_for(client: FlaskClient):
    asked = {"prompt": ["ab", "12"], "echo": True, "logprobs": 1, "max_tokens": 0}
    one, three = (complete(client, **asked, n=n)["choices"] for n in (1, 3))
    assert [choice["index"] for choice in three] == [0, 1, 2, 3, 4, 5]
    assert [choice | {"index": 0} for choice in three] == [one[place // 3] | {"index": 0} for place in range(6)]


def test_scored_prompts_are_computed_once_and_draw_nothing(client: FlaskClient):
    asked = {"prompt": "ab", "echo": True, "max_tokens": 0, "seed": 5, "temperature": 0.7, "stop": "b"}
    response = client.post(PATH, json=asked | {"n": 3})
    metadata = response.json["inkwell"]
    assert response.json["usage"]["prompt_tokens"] == metadata["prompt_tokens"] == 2
    assert metadata["parameters"].keys().isdisjoint({"seed", "temperature", "length", "stop"})
    assert metadata.keys().isdisjoint({"finish_reasons", "generated_tokens", "stops"})
    assert {"X-Inkwell-Seed", "X-Inkwell-Finish-Reason"}.isdisjoint(response.headers.keys())


def test_the_choices_of_scored_prompts_are_bounded(models_dir: Path):
    asked = {"echo": True, "max_tokens": 0, "n": 4}
    with running_app(models_dir, default_model="124M", max_samples=8) as app:
        client = app.test_client()
        assert len(client.post(PATH, json=asked | {"prompt": ["a", "b"]}).json["choices"]) == 8
        response = client.post(PATH, json=asked | {"prompt": ["a", "b", "c"]})
    assert "12 texts" in problem(response, 400, "invalid_parameter", "prompt")


@pytest.mark.parametrize(
    ("values", "text", "reason", "native"),
    [
        ({"prompt": "a", "max_tokens": 2}, "bc", "length", "length"),
        ({"prompt": "The end."}, "", "stop", "stop"),
        ({"prompt": "a", "stop": "de"}, "bc", "stop", "stop_sequence"),
        ({"prompt": "a", "stop": ["x", "c"]}, "b", "stop", "stop_sequence"),
    ],
)
def test_why_a_text_ended_in_two_words_and_in_ours(
    client: FlaskClient, values: dict, text: str, reason: str, native: str
):
    reply = complete(client, **values)
    choice, metadata = reply["choices"][0], reply["inkwell"]
    assert (choice["text"], choice["finish_reason"], metadata["finish_reasons"]) == (text, reason, [native])


def test_the_stop_string_that_ended_a_text_is_told(client: FlaskClient):
    assert complete(client, prompt=["a", "1"], stop=["c", "x"], max_tokens=4)["inkwell"]["stops"] == ["c", None]


def test_going_on_behind_the_end_is_possible(client: FlaskClient):
    assert complete(client, prompt=".", max_tokens=3, ignore_eos=True)["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("narrow", [{"top_p": 0}, {"top_k": 1}, {"temperature": 0}])
def test_each_way_to_ask_for_the_likeliest_tokens(client: FlaskClient, narrow: dict):
    assert texts(client, **{"prompt": "a", "temperature": 1, "seed": 3, **narrow}) == [continued("a", 16)]


def test_a_seed_gives_the_text_of_the_native_call(client: FlaskClient):
    native = client.post("/text-generate", json={"input_text": "a", "length": 16, "seed": 9}).text
    assert texts(client, prompt="a", seed=9, temperature=1) == [native]


def test_the_facts_of_a_reply_repeat_it_natively(client: FlaskClient):
    reply = complete(client, prompt="a", temperature=0.9, top_p=0.9, frequency_penalty=0.5, max_tokens=9)
    again = client.post("/text-generate", json={"input_text": "a", **reply["inkwell"]["parameters"]})
    assert again.text == reply["choices"][0]["text"]


@pytest.mark.parametrize("engine", ["124M", "gpt2", "openai-community/gpt2", "openai-community%2Fgpt2"])
def test_the_old_address_takes_the_model_from_its_path(client: FlaskClient, engine: str):
    response = client.post(f"/v1/engines/{engine}/completions", json={"prompt": "a", "max_tokens": 2, "temperature": 0})
    assert (response.json["model"], response.json["choices"][0]["text"]) == ("124M", "bc")


def test_the_old_address_takes_the_same_model_in_the_body_and_no_other(client: FlaskClient):
    path = "/v1/engines/gpt2/completions"
    assert client.post(path, json={"model": "gpt2", "max_tokens": 1}).status_code == 200
    problem(client.post(path, json={"model": "demo"}), 400, "invalid_parameter", "model")


@pytest.mark.parametrize(
    ("values", "status", "code", "param"),
    [
        ({"model": "nope"}, 404, "model_not_found", "model"),
        ({"model": "1558M"}, 404, "model_not_downloaded", "model"),
        ({"suffix": "x"}, 400, "unsupported_parameter", "suffix"),
        ({"promt": "x"}, 400, "unknown_parameter", "promt"),
        ({"prompt": [300]}, 400, "invalid_parameter", "prompt"),
        ({"prompt": "a" * 1025}, 400, "context_length_exceeded", "prompt"),
        ({"prompt": "a" * 1020}, 400, "context_length_exceeded", "max_tokens"),
        ({"prompt": ["a"] * 33}, 400, "invalid_parameter", "prompt"),
    ],
)
def test_errors_name_openai_s_fields(client: FlaskClient, values: dict, status: int, code: str, param: str):
    problem(client.post(PATH, json=values), status, code, param)


def test_a_body_must_be_json(client: FlaskClient):
    problem(client.post(PATH, data="prompt=a", content_type="text/plain"), 415, "unsupported_media_type")
    problem(client.get(PATH), 405, "method_not_allowed")
