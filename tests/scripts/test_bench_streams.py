"""The benchmark's HTTP client, against a server on a real socket that answers as the OpenAI API does."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from scripts.benchmark.exchange import Record, Request, TargetSpec
from scripts.benchmark.targets.url import open_backend

REQUEST = Request((1, 2, 3), "three small words", 4)
PAUSE_S = 0.02


class Completions(ThreadingHTTPServer):
    """The server's defect, and the requests it received."""

    def __init__(self, fault: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.fault = fault
        self.bodies: list[dict[str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    """Send one word per chunk after a pause, with a comment in between, then the usage and [DONE]."""

    server: Completions

    def do_GET(self) -> None:
        self._answer(200, {"data": [{"id": "words"}]})

    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(wanted)
        streams = [body for body in self.server.bodies if body.get("stream")]
        if "ignore_eos" in wanted and self.server.fault == "strict":
            self._answer(400, {})
        elif self.server.fault == "full" and len(streams) == 1:
            self._answer(429, {})
        elif wanted.get("stream"):
            self._stream(wanted["max_tokens"])
        else:
            self._answer(200, {})

    def _stream(self, count: int) -> None:
        self.send_response(200)
        self.end_headers()
        fault = self.server.fault
        for number in range(count):
            time.sleep(PAUSE_S)
            self._event({"choices": [{"text": f" word{number}"}]})
        self.wfile.write(b": ping\n\n")
        if fault == "error":
            self._event({"error": {"message": "no more words"}})
        counted = 9 if fault == "tokenizer" else len(REQUEST.prompt)
        self._event({"choices": [], "usage": {"prompt_tokens": counted, "completion_tokens": count}})
        self.wfile.write(b"data: [DO" if fault == "cut" else b"data: [DONE]\n\n")

    def _event(self, value: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None: ...


@contextmanager
def serving(fault: str = "") -> Iterator[tuple[Completions, str]]:
    server = Completions(fault)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(params=["", "/v1"])
def base(request: pytest.FixtureRequest) -> str:
    """Both forms of a base URL."""
    return str(request.param)


def ask(url: str) -> Record:
    backend = open_backend(TargetSpec("url", "bfloat16", "", (), REQUEST, url=url))
    try:
        backend.submit(0, REQUEST, time.monotonic())
        return backend.poll(30)[0]
    finally:
        backend.close()


def test_every_token_has_the_moment_at_which_it_came(base: str) -> None:
    with serving() as (server, url):
        record = ask(url + base)
    assert (record.error, record.tokens, record.output) == (None, 4, " word0 word1 word2 word3")
    pauses = [later - earlier for earlier, later in zip(record.moments_s, record.moments_s[1:], strict=False)]
    assert len(pauses) == 3 and sum(pauses) > 3 * PAUSE_S * 0.5
    body = server.bodies[-1]
    assert (body["model"], body["prompt"], body["max_tokens"]) == ("words", REQUEST.text, 4)
    assert (body["temperature"], body["ignore_eos"]) == (0, True)


def test_a_server_that_refuses_ignore_eos_is_asked_without_it() -> None:
    with serving("strict") as (server, url):
        record = ask(url)
    assert record.error is None and "ignore_eos" not in server.bodies[-1]


def test_a_full_server_is_asked_again_and_the_refusal_is_counted() -> None:
    with serving("full") as (_, url):
        record = ask(url)
    assert (record.error, record.refused, record.tokens) == (None, 1, 4)


@pytest.mark.parametrize(
    ("fault", "words"),
    [("cut", "ended within an event"), ("error", "no more words"), ("tokenizer", "9 prompt tokens, not 3")],
)
def test_what_is_no_whole_answer_is_an_error(fault: str, words: str) -> None:
    with serving(fault) as (_, url):
        record = ask(url)
    assert words in str(record.error)
