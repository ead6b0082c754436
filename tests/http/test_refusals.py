"""When the service is full or draining: refused at once, and what runs goes on."""

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.servable import continued
from tests.serving import MAX_REQUESTS, problem, running_app

PATH = "/text-generate"
STREAMED = {"input_text": "a", "length": 30, "temperature": 0, "stream": True}


@pytest.fixture
def drain(state_dir: Path):
    """Puts the flag of a draining service up; it comes down with the test."""
    flag = state_dir / "draining"
    yield flag.touch
    flag.unlink(missing_ok=True)


def finish(response: TestResponse) -> bytes:
    """The rest of an open stream."""
    data = b"".join(response.iter_encoded())
    response.close()
    return data


def test_a_full_service_refuses_at_once_and_says_when_to_try_again(client: FlaskClient):
    running = [client.post(PATH, json=STREAMED) for _ in range(MAX_REQUESTS)]
    refused = client.post(PATH, json=STREAMED)
    assert str(MAX_REQUESTS) in problem(refused, 429, "queue_full")
    assert 1 <= int(refused.headers["Retry-After"]) <= 90
    wait_s = int(refused.headers["retry-after-ms"]) / 1000
    assert wait_s <= int(refused.headers["Retry-After"]) < wait_s + 1 or wait_s < 1
    assert refused.json["error"]["type"] == "rate_limit_error"
    assert client.get("/readyz").json == {"status": "ready", "reason": None, "requests": MAX_REQUESTS}
    assert all(finish(response).endswith(b"data: [DONE]\n\n") for response in running)
    assert client.post(PATH, json=STREAMED | {"stream": False}).text == continued("a", 30)


def test_a_refused_or_malformed_request_takes_no_place(client: FlaskClient):
    for _ in range(2 * MAX_REQUESTS):
        assert client.post(PATH, json=STREAMED | {"input_text": "a" * 1024}).status_code == 400
        assert client.post(PATH, json=STREAMED | {"model_name": "foreign"}).status_code == 503
    assert client.get("/readyz").json["requests"] == 0


def test_a_draining_service_finishes_what_runs_and_refuses_the_rest(client: FlaskClient, drain):
    running = client.post(PATH, json=STREAMED)
    drain()
    refused = client.get(f"{PATH}?input_text=a")
    problem(refused, 503, "server_shutting_down")
    assert refused.headers["Retry-After"] == "5"
    assert refused.json["error"]["type"] == "overloaded_error"
    assert finish(running).endswith(b"data: [DONE]\n\n")


def test_a_request_that_waits_too_long_for_a_load_may_come_again(models_dir: Path):
    with running_app(models_dir, default_model="124M", load_timeout_s=0.01) as app:
        client = app.test_client()
        refused = client.get(f"{PATH}?input_text=a")
        assert "0.01 s" in problem(refused, 503, "model_loading")
        assert refused.headers["Retry-After"] == "10"
        assert client.get("/readyz").json == {"status": "ready", "reason": None, "requests": 0}


def test_nobody_waits_longer_for_a_load_than_asked_for(models_dir: Path):
    with running_app(models_dir, default_model="124M") as app:
        client = app.test_client()
        message = problem(client.get(f"{PATH}?input_text=a&timeout_s=0.05"), 503, "model_loading")
        assert re.search(r"after 0(\.0\d*)? s", message)  # 0.05 less what came before the load
        assert client.get("/readyz").json["requests"] == 0
