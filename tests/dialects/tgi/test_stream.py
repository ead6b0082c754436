"""TGI's dialect, streams: one event per token, the final event, and failures."""

import json
import os
import signal

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.servable import continued
from tests.serving import problem

PATH = "/generate_stream"


def events_of(client: FlaskClient, inputs: str = "a", path: str = PATH, **parameters: object) -> list[dict]:
    """Parse the events of a stream that was read to its end; checks the framing."""
    asked = {"inputs": inputs, "parameters": parameters} | ({} if path == PATH else {"stream": True})
    response = client.post(path, json=asked, buffered=True)
    assert response.status_code == 200 and response.mimetype == "text/event-stream", response.text
    *frames, rest = response.data.split(b"\n\n")
    assert rest == b""
    values = [json.loads(frame.removeprefix(b"data:")) for frame in frames if frame != b": ping"]
    assert [value["index"] for value in values] == list(range(1, len(values) + 1))
    return values


def text_of(events: list[dict]) -> str:
    return "".join(event["token"]["text"] for event in events)


def test_every_token_is_an_event_and_the_last_one_tells_the_text(client: FlaskClient):
    *earlier, last = events_of(client, max_new_tokens=4, details=True, top_n_tokens=1)
    assert [event["token"]["text"] for event in earlier] == ["b", "c", "d"]
    assert all(list(event) == ["index", "token", "top_tokens", "generated_text", "details"] for event in earlier)
    assert all(event["generated_text"] is None and event["details"] is None for event in earlier)
    assert last["generated_text"] == "bcde" and last["inkwell"]["generated_tokens"] == 4
    assert last["details"] == {"finish_reason": "length", "generated_tokens": 4, "seed": None, "input_length": 1}
    assert last["top_tokens"] == [last["token"]]


@pytest.mark.parametrize("path", ["/", "/generate"])
def test_the_other_addresses_stream_when_the_body_says_so(client: FlaskClient, path: str):
    assert text_of(events_of(client, path=path, max_new_tokens=3)) == "bcd"


def test_details_are_told_only_when_asked_for(client: FlaskClient):
    last = events_of(client, max_new_tokens=2)[-1]
    assert last["details"] is None and "top_tokens" not in last


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("more", [{}, {"stop": ["\n", "ab", " 😀"]}, {"finish_sentence": True, "stop": ["q"]}])
def test_the_tokens_together_are_the_text_and_that_of_a_whole_reply(
    client: FlaskClient, seed: int, more: dict[str, object]
):
    asked = {"max_new_tokens": 60, "temperature": 1.5, "seed": seed, "details": True} | more
    events = events_of(client, "Hello ", **asked)
    whole = client.post("/generate", json={"inputs": "Hello ", "parameters": asked}).json
    assert text_of(events) == events[-1]["generated_text"] == whole["generated_text"]
    tokens = [event["token"] for event in events if not event["token"]["special"]]
    assert [token["id"] for token in tokens] == [token["id"] for token in whole["details"]["tokens"]]
    assert events[-1]["details"]["finish_reason"] == whole["details"]["finish_reason"]


def test_a_character_comes_with_the_token_that_completes_it(client: FlaskClient):
    events = events_of(client, " ", max_new_tokens=8)
    assert [event["token"]["text"] for event in events] == ["", "", "", "😀", "", "", "世", "\ufffd"]
    assert events[-1]["generated_text"] == continued(" ", 8)


def test_a_text_that_ends_at_once_closes_with_a_special_token(client: FlaskClient):
    (only,) = events_of(client, "The end.", details=True)
    assert only["token"] == {"id": 0, "text": "", "logprob": None, "special": True}
    assert (only["generated_text"], only["details"]["finish_reason"]) == ("", "eos_token")


def test_the_full_text_is_told_at_the_end(client: FlaskClient):
    events = events_of(client, "xyz", max_new_tokens=2, return_full_text=True)
    assert (text_of(events), events[-1]["generated_text"]) == ("ab", "xyzab")


def test_what_is_refused_is_refused_before_the_stream(client: FlaskClient):
    response = client.post(PATH, json={"inputs": "a", "parameters": {"best_of": 2, "do_sample": True}})
    problem(response, 400, "invalid_parameter", "best_of")


def test_a_failure_is_one_event_and_the_last(client: FlaskClient, app: Flask):
    asked = {"inputs": "a", "parameters": {"max_new_tokens": 1000}}
    response = client.post(PATH, json=asked)
    stream = response.iter_encoded()
    next(stream)
    os.kill(app.extensions["inkwell"].worker("124M").process.pid, signal.SIGKILL)
    frames = b"".join(stream).split(b"\n\n")
    response.close()
    assert json.loads(frames[-2].removeprefix(b"data:"))["error"]["code"] == "worker_died"
    assert sum(b'"error"' in frame for frame in frames) == 1 and b"[DONE]" not in b"".join(frames)
