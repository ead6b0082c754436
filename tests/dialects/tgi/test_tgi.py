"""TGI's dialect, whole replies: the formats that its clients expect, and the effect of its parameters."""

from math import exp, log

import pytest
from flask.testing import FlaskClient

from tests.servable import CERTAINTY, continued
from tests.serving import problem

EXPECTED, OTHER = CERTAINTY - log(exp(CERTAINTY) + 256), -log(exp(CERTAINTY) + 256)  # of the next byte, of any other
NEAR = 0.005  # the servable model's layer norm slightly reduces its one logit


def reply_of(client: FlaskClient, inputs: str = "a", path: str = "/generate", **parameters: object) -> dict:
    response = client.post(path, json={"inputs": inputs, "parameters": parameters})
    assert response.status_code == 200, response.text
    return response.json


def test_the_reply_is_the_text_and_what_every_reply_tells(client: FlaskClient):
    response = client.post("/generate", json={"inputs": "Hello ", "parameters": {"max_new_tokens": 20}})
    assert list(response.json) == ["generated_text", "inkwell"]
    assert response.json["generated_text"] == continued("Hello ", 20)
    metadata = response.json["inkwell"]
    assert (metadata["request_id"], metadata["prompt_tokens"]) == (response.headers["X-Request-Id"], 6)
    assert metadata["parameters"]["temperature"] == 0 and response.headers["X-Inkwell-Finish-Reason"] == "length"


def test_at_the_base_address_the_reply_stands_in_a_list(client: FlaskClient):
    (reply,) = client.post("/", json={"inputs": "a", "parameters": {"max_new_tokens": 3}}).json
    assert reply["generated_text"] == "bcd"
    assert client.get("/").status_code == 302  # a browser is still redirected to the documentation


def test_details_tell_every_token(client: FlaskClient):
    details = reply_of(client, max_new_tokens=3, details=True)["details"]
    tokens = details.pop("tokens")
    assert details == {"finish_reason": "length", "generated_tokens": 3, "seed": None, "prefill": []}
    assert [list(token) for token in tokens] == [["id", "text", "logprob", "special"]] * 3
    assert [(token["text"], token["special"]) for token in tokens] == [(text, False) for text in "bcd"]
    assert [token["logprob"] for token in tokens] == pytest.approx([EXPECTED] * 3, abs=NEAR)


def test_the_prompt_and_the_likeliest_tokens_are_told_when_asked_for(client: FlaskClient):
    details = reply_of(client, "abx", max_new_tokens=2, decoder_input_details=True, top_n_tokens=1)["details"]
    assert [token["text"] for token in details["prefill"]] == ["a", "b", "x"]
    assert details["prefill"][0]["logprob"] is None
    assert [token["logprob"] for token in details["prefill"][1:]] == pytest.approx([EXPECTED, OTHER], abs=NEAR)
    assert [[token["text"] for token in place] for place in details["top_tokens"]] == [["y"], ["z"]]
    assert details["top_tokens"] == [[token] for token in details["tokens"]]


def test_the_texts_of_the_tokens_are_the_text_also_within_characters(client: FlaskClient):
    reply = reply_of(client, "a ", max_new_tokens=12, details=True)
    texts = [token["text"] for token in reply["details"]["tokens"]]
    assert texts == ["", "", "", "😀", "", "", "世", "", "é", " ", "", "\ufffd"]
    assert "".join(texts) == reply["generated_text"]


@pytest.mark.parametrize(
    ("inputs", "parameters", "reason", "text"),
    [
        ("a", {"stop": ["de", "zz"]}, "stop_sequence", "bcde"),
        ("a", {"stop": ["de"], "keep_stop": False}, "stop_sequence", "bc"),
        ("The end.", {}, "eos_token", ""),
        ("a", {"max_new_tokens": 2}, "length", "bc"),
    ],
)
def test_the_reason_of_the_end_has_its_name_in_tgi(
    client: FlaskClient, inputs: str, parameters: dict[str, object], reason: str, text: str
):
    reply = reply_of(client, inputs, details=True, **parameters)
    assert (reply["generated_text"], reply["details"]["finish_reason"]) == (text, reason)


def test_the_full_text_begins_with_the_inputs_as_they_were_sent(client: FlaskClient):
    reply = reply_of(client, "xxabc", max_new_tokens=2, return_full_text=True, truncate=2)
    assert reply["generated_text"] == "xxabcde"
    assert (reply["inkwell"]["prompt_tokens"], reply["inkwell"]["dropped_tokens"]) == (2, 3)


def test_the_best_of_several_comes_first_and_the_others_are_told(client: FlaskClient):
    reply = reply_of(client, max_new_tokens=8, best_of=4, do_sample=True, seed=5, details=True)
    best, others = reply["details"], reply["details"]["best_of_sequences"]
    sums = [sum(token["logprob"] for token in each["tokens"]) / 8 for each in (best, *others)]
    assert len(others) == 3 and sums[0] == max(sums)
    assert all("".join(token["text"] for token in each["tokens"]) == each["generated_text"] for each in others)
    assert list(others[0]) == ["generated_text", "finish_reason", "generated_tokens", "seed", "prefill", "tokens"]


def test_a_seed_gives_the_text_of_the_native_dialect(client: FlaskClient):
    reply = reply_of(client, max_new_tokens=30, temperature=1.2, seed=9, details=True)
    native = client.post("/text-generate", json={"input_text": "a", "length": 30, "temperature": 1.2, "seed": 9})
    assert (reply["generated_text"], reply["details"]["seed"]) == (native.text, 9)


def test_the_model_can_be_named(client: FlaskClient):
    reply = client.post("/generate", json={"inputs": "a", "model": "gpt-j-6B", "parameters": {"max_new_tokens": 1}})
    assert reply.json["inkwell"]["model_name"] == "gpt-j-6B"


def test_messages_use_the_names_of_the_dialect(client: FlaskClient):
    response = client.post("/generate", json={"inputs": "a" * 1020, "parameters": {"max_new_tokens": 9}})
    assert "max_new_tokens can be 4 at most" in problem(response, 400, "context_length_exceeded", "max_new_tokens")
    response = client.post("/", json={"inputs": "a", "parameters": {"grammar": {"type": "json", "value": {}}}})
    problem(response, 400, "unsupported_parameter", "grammar")
    problem(client.post("/generate", data={"inputs": "a"}), 415, "unsupported_media_type")


def test_what_ended_a_text_is_told(client: FlaskClient):
    metadata = reply_of(client, finish_sentence=True, stop=["d"], max_new_tokens=9)["inkwell"]
    assert (metadata["stops"], metadata["sentences"], metadata["finish_reasons"]) == (["d"], [None], ["stop_sequence"])
    assert reply_of(client, finish_sentence=True, max_new_tokens=2)["inkwell"]["sentences"] == ["open"]
    assert not {"stops", "sentences"} & reply_of(client, max_new_tokens=2)["inkwell"].keys()


def test_info_tells_the_limits_that_hold(client: FlaskClient):
    reply_of(client, max_new_tokens=1)
    info = client.get("/info").json
    assert (info["model_id"], info["model_dtype"], info["model_device_type"]) == ("124M", "float32", "cpu")
    assert (info["max_input_tokens"], info["max_total_tokens"], info["max_concurrent_requests"]) == (1023, 1024, 8)
    sampled = {"do_sample": True, "max_new_tokens": 1, "seed": 1}  # some seeds draw the end of text at once
    assert reply_of(client, best_of=info["max_best_of"], **sampled)["generated_text"]
    over = {"inputs": "a", "parameters": sampled | {"best_of": info["max_best_of"] + 1}}
    assert client.post("/generate", json=over).status_code == 400
    reply_of(client, "a" * info["max_input_tokens"], max_new_tokens=1)


def test_health_is_what_readyz_says(client: FlaskClient):
    assert (client.get("/health").json, client.get("/health").status_code) == (client.get("/readyz").json, 200)
