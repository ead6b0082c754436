"""`DELETE /v1/requests/{id}`: a request is cancelled in any state, and only by its own client."""

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.serving import problem, running_app

LONG = {"input_text": "a", "length": 8192, "temperature": 0, "on_overflow": "slide"}


def cancel_soon(cancel: Callable[[], Any], limit_s: float = 20) -> dict:
    """Retry until the request exists, because it takes a moment to arrive."""
    deadline = time.monotonic() + limit_s
    while (reply := cancel()).status_code == 404:
        assert time.monotonic() < deadline, "the request never ran"
        time.sleep(0.01)
    return reply.json() if callable(reply.json) else reply.json


def test_a_whole_reply_ends_with_what_was_generated(server: str):
    assert requests.get(f"{server}/text-generate?input_text=a&length=1").ok  # the model is loaded
    headers = {"X-Request-Id": "to-be-cancelled", "Accept": "application/json"}
    replies: list[dict] = []
    ask = threading.Thread(
        target=lambda: replies.append(requests.post(f"{server}/text-generate", json=LONG, headers=headers).json())
    )
    ask.start()
    reply = cancel_soon(lambda: requests.delete(f"{server}/v1/requests/to-be-cancelled"))
    ask.join(timeout=20)
    assert reply == {"id": "to-be-cancelled", "cancelled": 1}
    assert replies[0]["samples"][0]["finish_reason"] == "cancelled"
    assert replies[0]["generated_tokens"] < 8192


def test_a_request_need_not_wait_for_its_model(models_dir: Path):
    with running_app(models_dir, default_model="124M") as app:
        client = app.test_client()
        replies: list[TestResponse] = []
        headers = {"X-Request-Id": "impatient"}
        ask = threading.Thread(
            target=lambda: replies.append(app.test_client().post("/text-generate", json=LONG, headers=headers))
        )
        ask.start()  # a worker needs a second to start, and much more to be done with this text
        cancel_soon(lambda: client.delete("/v1/requests/impatient"))
        ask.join(timeout=5)
        problem(replies[0], 400, "request_cancelled")
        assert 'inkwell_generations_total{model="124M",outcome="cancelled"} 1.0' in client.get("/metrics").text


def test_a_stream_ends_in_its_dialect(client: FlaskClient):
    asked = {"inputs": "a", "parameters": {"max_new_tokens": 8192, "on_overflow": "slide", "details": True}}
    response = client.post("/generate_stream", json=asked, headers={"X-Request-Id": "stream"})
    stream = response.iter_encoded()
    next(stream)
    assert client.delete("/v1/requests/stream").json == {"id": "stream", "cancelled": 1}
    rest = b"".join(stream)
    response.close()
    assert b'"finish_reason":"length"' in rest and b'"finish_reasons":["cancelled"]' in rest
    problem(client.delete("/v1/requests/stream"), 404, "request_not_found")


def test_a_queued_score_has_no_part_to_tell(models_dir: Path):
    with running_app(models_dir, default_model="124M", max_rows=1) as app:
        client = app.test_client()
        holder = client.post("/text-generate", json=LONG | {"stream": True})
        next(holder.iter_encoded())
        asked = {"json": {"text": "abc"}, "headers": {"X-Request-Id": "score"}}
        replies: list[TestResponse] = []
        ask = threading.Thread(target=lambda: replies.append(app.test_client().post("/v1/score", **asked)))
        ask.start()
        reply = cancel_soon(lambda: client.delete("/v1/requests/score"))
        ask.join(timeout=20)
        holder.close()
        assert reply["cancelled"] == 1
        problem(replies[0], 400, "request_cancelled")


def test_an_id_that_nobody_has_is_not_found(client: FlaskClient):
    problem(client.delete("/v1/requests/nothing"), 404, "request_not_found")
    problem(client.get("/v1/requests/nothing"), 405, "method_not_allowed")


def test_only_its_client_and_an_administrator_can_cancel_a_request(models_dir: Path):
    scopes = {"alice": "infer", "bob": "infer", "root": "infer,admin"}
    keys = ";".join(f"{name} {hashlib.sha256(name.encode()).hexdigest()} {scope}" for name, scope in scopes.items())
    with running_app(models_dir, default_model="124M", keys=keys) as app:
        client = app.test_client()
        for canceller, status in [("bob", 404), ("alice", 200), ("root", 200)]:
            headers = {"X-Api-Key": "alice", "X-Request-Id": "hers"}
            response = client.post("/text-generate", json=LONG | {"stream": True}, headers=headers)
            deleted = client.delete("/v1/requests/hers", headers={"X-Api-Key": canceller})
            response.close()
            assert deleted.status_code == status
