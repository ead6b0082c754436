"""`/v1/score`: its sums, which tokens it scores, and the ranking."""

from math import exp, log
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.servable import CERTAINTY
from tests.serving import problem, running_app

PATH = "/v1/score"
EXPECTED, OTHER = CERTAINTY - log(exp(CERTAINTY) + 256), -log(exp(CERTAINTY) + 256)  # of the next byte, of any other
FIRST = -log(257)  # after the end of the text, all tokens are equally likely
NEAR = 0.005  # the servable model's layer norm slightly reduces its one logit


def scored(client: FlaskClient, **values: object) -> dict:
    response = client.post(PATH, json=values)
    assert response.status_code == 200, response.text
    return response.json


def test_a_text_is_scored_from_its_second_token_on(client: FlaskClient):
    reply = scored(client, text="abcx")
    assert [(token["text"], token["offset"]) for token in reply["tokens"]] == list(zip("abcx", range(4), strict=True))
    assert reply["tokens"][0]["logprob"] is None
    assert [token["logprob"] for token in reply["tokens"][1:]] == pytest.approx([EXPECTED, EXPECTED, OTHER], abs=NEAR)
    total = sum(token["logprob"] for token in reply["tokens"][1:])
    assert (reply["scored_tokens"], reply["scored_bytes"], reply["model"]) == (3, 3, "124M")
    assert reply["total_logprob"] == pytest.approx(total) and reply["mean_logprob"] == pytest.approx(total / 3)
    assert reply["perplexity"] == pytest.approx(exp(-total / 3))
    assert reply["bits_per_byte"] == pytest.approx(-total / log(2) / 3)


def test_from_the_start_the_first_token_is_scored_too(client: FlaskClient):
    reply = scored(client, text="ab", from_start=True)
    assert [token["offset"] for token in reply["tokens"]] == [0, 1]
    assert [token["logprob"] for token in reply["tokens"]] == pytest.approx([FIRST, EXPECTED], abs=NEAR)
    assert (reply["scored_tokens"], reply["inkwell"]["prompt_tokens"]) == (2, 3)


def test_a_text_of_one_token_has_nothing_to_score(client: FlaskClient):
    reply = scored(client, text="a")
    assert (reply["scored_tokens"], reply["total_logprob"], reply["perplexity"], reply["bits_per_byte"]) == (
        0, 0, None, None
    )  # fmt: skip


def test_continuations_are_ranked_as_a_whole_and_by_token(client: FlaskClient):
    reply = scored(client, prompt="a", continuations=["x", "bcdefgx", "b"])
    assert [each["index"] for each in reply["continuations"]] == [0, 1, 2]
    assert reply["continuations"][2]["tokens"] == [
        {"id": reply["continuations"][1]["tokens"][0]["id"], "text": "b", "offset": 1,
         "logprob": reply["continuations"][1]["tokens"][0]["logprob"]}
    ]  # fmt: skip
    assert reply["ranking"] == {"by_total": [2, 0, 1], "by_mean": [2, 1, 0]}


def test_a_character_of_several_tokens_is_scored_whole(client: FlaskClient):
    (only,) = scored(client, prompt="a ", continuations=["😀"])["continuations"]
    assert (only["scored_tokens"], only["scored_bytes"]) == (4, 4)
    assert only["total_logprob"] == pytest.approx(4 * EXPECTED, abs=4 * NEAR)


def test_an_empty_prompt_puts_the_end_of_text_before_all(client: FlaskClient):
    reply = scored(client, prompt="", continuations=["a", "b"])
    assert [each["tokens"][0]["offset"] for each in reply["continuations"]] == [0, 0]
    assert [each["total_logprob"] for each in reply["continuations"]] == pytest.approx([FIRST, FIRST], abs=NEAR)
    assert reply["inkwell"]["prompt_tokens"] == 4


def test_a_text_may_fill_the_context_and_no_more(client: FlaskClient):
    assert scored(client, text="a" * 1024)["scored_tokens"] == 1023
    problem(client.post(PATH, json={"text": "a" * 1025}), 400, "context_length_exceeded", "text")
    response = client.post(PATH, json={"text": "a" * 1024, "from_start": True})
    problem(response, 400, "context_length_exceeded", "text")


def test_more_continuations_than_the_service_gives_texts_are_refused(models_dir: Path):
    with running_app(models_dir, default_model="124M", max_samples=8) as app:
        response = app.test_client().post(PATH, json={"prompt": "a", "continuations": ["b"] * 9})
    assert "9 texts" in problem(response, 400, "invalid_parameter", "continuations")


def test_the_metadata_of_a_score_has_nothing_of_a_generated_text(client: FlaskClient):
    response = client.post(PATH, json={"text": "abc"})
    metadata = response.json["inkwell"]
    assert metadata.keys() == {
        "request_id", "model_name", "prompt_tokens", "cached_tokens", "dropped_tokens", "parameters", "queue_s",
        "duration_s",
    }  # fmt: skip
    assert metadata["parameters"].keys() == {"prompt_logprobs", "on_overflow", "truncate", "timeout_s"}
    assert {name for name in response.headers.keys() if name.startswith("X-Inkwell-")} == {
        "X-Inkwell-Model", "X-Inkwell-Prompt-Tokens", "X-Inkwell-Parameters", "X-Inkwell-Queue-Seconds",
        "X-Inkwell-Seconds",
    }  # fmt: skip


def test_the_same_text_has_the_same_score_alone_and_beside_others(client: FlaskClient):
    alone = scored(client, prompt="The ", continuations=["king said"])["continuations"][0]
    beside = scored(client, prompt="The ", continuations=["old witch", "king said", "x"])["continuations"][1]
    assert alone["tokens"] == beside["tokens"]
