"""Streams: their framing, that they say the same as a whole answer, and how they end."""

import json
import logging
import os
import re
import signal
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.dialects.native.native import events, texts
from tests.servable import continued
from tests.serving import problem

PATH = "/text-generate"
GREEDY = {"input_text": "Hello ", "length": 20, "temperature": 0}
LIMIT_S = 30
ENDLESS = {"input_text": "a", "length": 1023, "nsamples": 8, "temperature": 0}


def stream(client: FlaskClient, **values: object):
    """An open answer whose chunks are read one by one; close it."""
    response = client.post(PATH, json=values | {"stream": True})
    assert response.status_code == 200, response.text
    return response


def whole_stream(client: FlaskClient, **values: object) -> list[dict | str]:
    """The values of a stream that was read to its end."""
    response = client.post(PATH, json=values | {"stream": True}, buffered=True)
    assert response.status_code == 200, response.text
    return events(response.data)


def worker_pid(app: Flask) -> int:
    return app.extensions["inkwell"].worker("124M").process.pid


def test_a_stream_is_text_events_then_the_details_then_done(client: FlaskClient):
    *pieces, details, done = whole_stream(client, **GREEDY, seed=3)
    assert done == "[DONE]"
    assert all(list(piece) in (["sample", "text"], ["sample", "text", "finish_reason"]) for piece in pieces)
    assert [piece.get("finish_reason") for piece in pieces] == [None] * (len(pieces) - 1) + ["length"]
    whole = client.post(PATH, json=GREEDY | {"seed": 3}, headers={"Accept": "application/json"}).json
    whole["samples"][0].pop("text")
    volatile = ("request_id", "queue_s", "first_token_s", "duration_s")
    assert {k: v for k, v in details.items() if k not in volatile} == {
        k: v for k, v in whole.items() if k not in volatile
    }


@pytest.mark.parametrize(("query", "accept"), [("&stream=true", None), ("&stream=1", None), ("", "text/event-stream")])
def test_a_get_can_be_streamed(client: FlaskClient, query: str, accept: str | None):
    headers = {"Accept": accept} if accept else {}
    response = client.get(f"{PATH}?input_text=a&length=3&temperature=0{query}", headers=headers, buffered=True)
    assert texts(events(response.data)) == ["bcd"]


def test_the_headers_keep_proxies_from_holding_it_back(client: FlaskClient):
    response = client.post(PATH, json=GREEDY | {"stream": True}, buffered=True)
    assert response.content_type == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache, no-transform"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in response.headers
    assert events(response.data)[-2]["request_id"] == response.headers["X-Request-Id"]


@pytest.mark.parametrize("seed", range(12))
def test_the_joined_stream_is_the_whole_answer(client: FlaskClient, seed: int):
    asked = {"input_text": "Hello ", "length": 120, "seed": seed, "temperature": 1.2}
    assert texts(whole_stream(client, **asked)) == [client.post(PATH, json=asked).text]


def test_a_character_appears_whole_or_not_at_all(client: FlaskClient):
    pieces = [value["text"] for value in whole_stream(client, input_text=" ", length=40, temperature=0)[:-2]]
    assert pieces[:5] == ["😀", "世", "é", " ", "😀"]
    assert "".join(pieces) == continued(" ", 40)


def test_half_a_character_at_the_end_is_one_replacement_mark(client: FlaskClient):
    values = whole_stream(client, input_text=" ", length=3, temperature=0)
    assert values[0] == {"sample": 0, "text": "\ufffd", "finish_reason": "length"}


def test_a_text_that_ends_at_once_is_an_empty_final_event(client: FlaskClient):
    first, *_, done = whole_stream(client, input_text="The end.", temperature=0)
    assert first == {"sample": 0, "text": "", "finish_reason": "stop"} and done == "[DONE]"


def test_the_samples_of_a_stream_are_those_of_a_whole_answer(client: FlaskClient):
    asked = {"input_text": "a", "length": 50, "seed": 11, "nsamples": 8}
    values = whole_stream(client, **asked)
    whole = client.post(PATH, json=asked, headers={"Accept": "application/json"}).json
    assert texts(values, 8) == [sample["text"] for sample in whole["samples"]]
    assert sorted(value["sample"] for value in values[:-2] if "finish_reason" in value) == list(range(8))


@pytest.mark.parametrize(
    ("values", "status", "code", "param"),
    [
        ({"input_text": ""}, 400, "invalid_parameter", "input_text"),
        ({"input_text": "a" * 1024}, 400, "context_length_exceeded", "input_text"),
        ({"input_text": "a", "model_name": "nobody"}, 404, "model_not_found", "model_name"),
        ({"input_text": "a", "model_name": "foreign"}, 503, "model_corrupt", None),
    ],
)
def test_what_can_be_refused_is_refused_before_the_first_byte(
    client: FlaskClient, values: dict, status: int, code: str, param: str | None
):
    problem(client.post(PATH, json=values | {"stream": True}), status, code, param)


def test_silence_is_filled_with_comments(client: FlaskClient, app: Flask):
    response = stream(client, **ENDLESS)
    chunks = response.iter_encoded()
    next(chunks)
    os.kill(worker_pid(app), signal.SIGSTOP)
    try:
        pings = 0
        while pings < 2:
            pings += next(chunks) == b": ping\n\n"
    finally:
        os.kill(worker_pid(app), signal.SIGCONT)
    rest = b"".join(chunks)
    response.close()
    assert rest.endswith(b"data: [DONE]\n\n")


def test_a_stream_whose_worker_is_killed_ends_with_an_error_and_the_next_request_works(client: FlaskClient, app: Flask):
    response = stream(client, **ENDLESS)
    chunks = response.iter_encoded()
    next(chunks)
    os.kill(worker_pid(app), signal.SIGSTOP)  # so that it cannot finish in the meantime
    os.kill(worker_pid(app), signal.SIGKILL)
    values = events(b"".join(chunks))
    response.close()
    assert list(values[-1]) == ["error"] and "[DONE]" not in values
    error = values[-1]["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert (error["code"], error["type"]) == ("worker_died", "server_error")
    assert client.post(PATH, json=GREEDY).text == continued("Hello ", 20)


def test_a_whole_answer_whose_worker_is_killed_is_an_error(client: FlaskClient, app: Flask):
    client.post(PATH, json=GREEDY)
    pid = worker_pid(app)
    os.kill(pid, signal.SIGSTOP)
    killer = threading.Timer(0.2, os.kill, (pid, signal.SIGKILL))
    killer.start()
    problem(client.post(PATH, json=GREEDY), 500, "worker_died")
    killer.join()


def test_a_client_that_never_reads_leaves_nothing_behind(client: FlaskClient):
    stream(client, **ENDLESS).close()  # the fixture sees to it that no request is left


@pytest.mark.slow
@pytest.mark.parallel
def test_clients_that_leave_make_room_for_others_in_the_worker(client: FlaskClient):
    client.post(PATH, json=GREEDY)  # loads the model, if nobody has yet

    def steps() -> int:
        (count,) = re.findall(r'inkwell_batch_rows_count{model="124M"} (\d+)', client.get("/metrics").text)
        return int(count)

    def crowd_and_one(stays: bool) -> int:
        """The engine's steps until the one has its text."""
        before = steps()
        crowd = [stream(client, **ENDLESS) for _ in range(2)]  # all 16 rows
        for response in [] if stays else crowd:
            response.close()
        assert client.post(PATH, json=GREEDY).text == continued("Hello ", 20)
        taken = steps() - before
        for response in crowd:
            response.close()
        return taken

    alone, behind = crowd_and_one(stays=False), crowd_and_one(stays=True)
    assert alone < behind / 2  # one that stays is waited for to its end


def test_a_client_that_leaves_ends_its_rows(server: str, client: FlaskClient, caplog):
    caplog.set_level(logging.INFO)
    address = urlsplit(server)
    body = json.dumps(ENDLESS | {"stream": True})
    with socket.create_connection((address.hostname, address.port)) as connection:
        headers = f"Host: {address.netloc}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        head = f"POST {PATH} HTTP/1.1\r\n{headers}\r\n\r\n"
        connection.sendall(head.encode() + body.encode())
        received = b""
        while received.count(b"data: ") < 3:
            chunk = connection.recv(4096)
            assert chunk, f"the stream ended early: {received!r}"
            received += chunk
    left = time.monotonic()
    while client.get("/readyz").json["requests"]:
        assert time.monotonic() - left < LIMIT_S, "the rows still run"
        time.sleep(0.01)
    record = next(record for record in caplog.records if getattr(record, "outcome", None))
    assert record.outcome == "cancelled" and record.generated_tokens < 8 * 1023
