"""A defect in what a dialect makes of a generation: the client is told, and the request has failed."""

import json
from pathlib import Path

import pytest
from flask import Flask, g

from inkwell.http.access_log import AccessLogEntry
from inkwell.http.replies import json_response, register, sse_response
from tests.generation.runs import Run, end_of, ids
from tests.generation.texts import bytewise


@pytest.fixture
def one(tmp_path: Path) -> Run:
    """A text that has come whole."""
    model = bytewise(tmp_path, context=16)
    run = Run(model)
    run.come(1, ids(model, "bcde"))
    return run


def application() -> Flask:
    app = Flask("replies")
    register(app, ping_s=60)
    return app


def broken(_: object) -> list[dict[str, object]]:
    raise TypeError("a defect of our own")


def test_a_whole_reply_that_cannot_be_shaped_has_failed(one: Run):
    with application().test_request_context(), pytest.raises(TypeError):
        json_response(one.generation, broken)
    assert end_of(one).result == "internal_error"


def test_a_stream_whose_events_cannot_be_shaped_has_failed_and_says_so(one: Run):
    with application().test_request_context():
        g.log_entry = AccessLogEntry("mine")
        response = sse_response(one.generation, broken, list)
        (event,) = response.get_data(as_text=True).strip().split("\n\n")
        response.close()
        assert json.loads(event.removeprefix("data: "))["error"]["code"] == g.log_entry.code == "internal_error"
    assert end_of(one).result == "internal_error"
