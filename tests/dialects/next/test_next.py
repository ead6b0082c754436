"""`/v1/next`: the distribution of the next token, stage by stage."""

from math import exp

import pytest
from flask.testing import FlaskClient

from tests.servable import CERTAINTY
from tests.serving import problem

PATH = "/v1/next"


def told(client: FlaskClient, **values: object) -> dict:
    response = client.post(PATH, json={"prompt": "a"} | values)
    assert response.status_code == 200, response.text
    return response.json


def test_without_parameters_there_is_the_model_alone(client: FlaskClient):
    reply = told(client)
    assert list(reply) == ["tokens", "stages", "model", "inkwell"] and len(reply["tokens"]) == 10
    assert reply["tokens"][0]["text"] == "b"
    assert reply["tokens"][0]["probabilities"] == {
        "model": pytest.approx(exp(CERTAINTY) / (exp(CERTAINTY) + 256), abs=0.01)
    }
    assert reply["stages"] == [{"name": "model", "kept": 257, "removed": 0, "removed_mass": 0}]


def test_every_step_tells_what_it_took_away(client: FlaskClient):
    reply = told(client, top=3, temperature=0.5, top_k=2)
    assert [(stage["name"], stage["kept"], stage["removed"]) for stage in reply["stages"]] == [
        ("model", 257, 0), ("temperature", 257, 0), ("top_k", 2, 255)
    ]  # fmt: skip
    first, second, third = (token["probabilities"] for token in reply["tokens"])
    assert first["temperature"] == pytest.approx(exp(2 * CERTAINTY) / (exp(2 * CERTAINTY) + 256), abs=0.01)
    assert first["top_k"] + second["top_k"] == pytest.approx(1) and third["top_k"] == 0
    kept = first["temperature"] + second["temperature"]
    assert reply["stages"][2]["removed_mass"] == pytest.approx(1 - kept)


def test_a_token_that_a_step_makes_likely_is_told_too(client: FlaskClient):
    z = client.post("/tokenize", json={"inputs": "z"}).json[0]["id"]
    reply = told(client, top=1, logit_bias={str(z): 50})
    assert [token["text"] for token in reply["tokens"]] == ["b", "z"]
    assert reply["tokens"][1]["probabilities"]["logit_bias"] == pytest.approx(1)


def test_the_prompt_can_be_cut_and_may_fill_the_context(client: FlaskClient):
    assert told(client, prompt="x" * 2000 + "a", truncate=1024)["tokens"][0]["text"] == "b"
    problem(client.post(PATH, json={"prompt": "a" * 1025}), 400, "context_length_exceeded", "prompt")


def test_the_metadata_has_the_sampling_parameters_and_nothing_of_a_generated_text(client: FlaskClient):
    response = client.post(PATH, json={"prompt": "a", "temperature": 0.5, "top_k": 2})
    metadata = response.json["inkwell"]
    parameters = metadata["parameters"]
    assert (parameters["temperature"], parameters["top_k"], parameters["top_p"]) == (0.5, 2, 1.0)
    assert parameters.keys().isdisjoint({"seed", "length", "nsamples", "best_of", "stop"})
    assert metadata.keys().isdisjoint({"finish_reasons", "generated_tokens", "first_token_s"})
    assert {"X-Inkwell-Seed", "X-Inkwell-Finish-Reason"}.isdisjoint(response.headers.keys())


def test_a_penalty_that_could_change_nothing_is_refused(client: FlaskClient):
    response = client.post(PATH, json={"prompt": "a", "presence_penalty": 1})
    assert "before the next token" in problem(response, 400, "unsupported_parameter", "presence_penalty")
