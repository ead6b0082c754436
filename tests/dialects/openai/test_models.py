"""`/v1/models`: OpenAI's list of the models that can be used."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.serving import problem


def test_the_list_has_every_model_that_can_be_served_and_no_other(client: FlaskClient):
    listed = client.get("/v1/models").json
    assert listed["object"] == "list"
    assert [each["id"] for each in listed["data"]] == ["124M", "demo", "gpt-j-6B"]


def test_a_model_tells_what_openai_s_do_and_more(client: FlaskClient, models_dir: Path):
    assert client.post("/v1/completions", json={"model": "124M", "max_tokens": 1}).status_code == 200
    assert client.get("/v1/models/124M").json == {
        "id": "124M",
        "object": "model",
        "created": int((models_dir / "124M").stat().st_mtime),
        "owned_by": "inkwell",
        "context_length": 1024,
        "family": "gpt2",
        "state": "ready",
    }


@pytest.mark.parametrize("name", ["gpt-j-6B", "gptj", "EleutherAI/gpt-j-6b", "EleutherAI%2Fgpt-j-6B"])
def test_a_model_is_found_by_its_names(client: FlaskClient, name: str):
    found = client.get(f"/v1/models/{name}").json
    assert (found["id"], found["family"], found["context_length"]) == ("gpt-j-6B", "gptj", 2048)


@pytest.mark.parametrize(
    ("name", "status", "code", "param"),
    [
        ("nope", 404, "model_not_found", "model"),
        ("../demo", 404, "model_not_found", "model"),
        ("1558M", 404, "model_not_downloaded", "model"),
        ("pickled", 503, "model_needs_conversion", None),
    ],
)
def test_a_model_that_is_not_there_is_an_error(client: FlaskClient, name: str, status: int, code: str, param: str):
    problem(client.get(f"/v1/models/{name}"), status, code, param)
