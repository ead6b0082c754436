"""`/tokenize` and `/detokenize`: round trips, without a loaded model."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.serving import problem, running_app


def test_a_text_and_its_tokens_are_each_others(client: FlaskClient):
    text = "Hello 😀 naïve 世界"
    tokens = client.post("/tokenize", json={"inputs": text}).json
    assert list(tokens[0]) == ["id", "text", "start", "stop"]
    assert all(token["text"] == text[token["start"] : token["stop"]] for token in tokens)
    reply = client.post("/detokenize", json={"tokens": [token["id"] for token in tokens]})
    assert reply.json == {"text": text}


def test_a_part_of_a_character_is_spelled_as_a_replacement_mark(client: FlaskClient):
    first, *_ = client.post("/tokenize", json={"inputs": "😀"}).json
    assert client.post("/detokenize", json={"tokens": [first["id"]]}).json == {"text": "\ufffd"}
    assert client.post("/detokenize", json={"tokens": []}).json == {"text": ""}


@pytest.mark.parametrize(
    ("path", "values", "status", "code", "param"),
    [
        ("/tokenize", {"inputs": ""}, 400, "invalid_parameter", "inputs"),
        ("/tokenize", {"inputs": "a" * 65_537}, 400, "invalid_parameter", "inputs"),
        ("/tokenize", {"inputs": "a", "parameters": {}}, 400, "unknown_parameter", "parameters"),
        ("/tokenize", {"inputs": "a", "model": "nobody"}, 404, "model_not_found", "model"),
        ("/detokenize", {"tokens": [257]}, 400, "invalid_parameter", "tokens"),
        ("/detokenize", {"tokens": [10**30]}, 400, "invalid_parameter", "tokens"),
    ],
)
def test_what_cannot_be_done_is_refused(
    client: FlaskClient, path: str, values: dict[str, object], status: int, code: str, param: str
):
    problem(client.post(path, json=values), status, code, param)


def test_no_worker_is_started_and_no_quota_used_up(models_dir: Path):
    with running_app(models_dir, default_model="124M", requests_per_minute=1) as app:
        client = app.test_client()
        assert [client.post("/tokenize", json={"inputs": "a"}).status_code for _ in range(3)] == [200] * 3
        assert app.extensions["inkwell"].worker("124M") is None


def test_a_full_service_refuses_them_too(models_dir: Path):
    with running_app(models_dir, default_model="124M", max_requests=1) as app:
        client = app.test_client()
        asked = {"input_text": "a", "length": 8192, "temperature": 0, "on_overflow": "slide", "stream": True}
        holder = client.post("/text-generate", json=asked)
        next(holder.iter_encoded())
        problem(client.post("/tokenize", json={"inputs": "a"}), 429, "queue_full")
        problem(client.post("/detokenize", json={"tokens": [1]}), 429, "queue_full")
        holder.close()
        assert client.post("/tokenize", json={"inputs": "a"}).status_code == 200
