"""A defect in what a dialect makes of a generation: the client gets an error, and the request counts as failed."""

import gc
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, Response, g

from inkwell.generation import Generation, TextEvent
from inkwell.http.access_log import AccessLogEntry
from inkwell.http.replies import json_response, register, sse_response
from tests.generation.runs import Run, ids
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


def broken(_: object) -> Any:
    raise TypeError("a defect of our own")


def reply(frames: Callable[[TextEvent], list[dict[str, Any]]]) -> Callable[[Generation], Any]:
    return lambda generation: SimpleNamespace(frames=frames, last=list)


def test_a_whole_reply_that_cannot_be_shaped_has_failed(one: Run):
    with application().test_request_context(), pytest.raises(TypeError):
        json_response(one.opened(), broken)
    (outcome,) = one.outcomes
    assert outcome.result == "internal_error"


def test_a_stream_whose_events_cannot_be_shaped_has_failed_and_says_so(one: Run):
    with application().test_request_context():
        g.log_entry = AccessLogEntry("mine")
        response = sse_response(one.opened(), reply(broken))
        (event,) = response.get_data(as_text=True).strip().split("\n\n")
        response.close()
        assert json.loads(event.removeprefix("data: "))["error"]["code"] == g.log_entry.code == "internal_error"
    (outcome,) = one.outcomes
    assert outcome.result == "internal_error"


def test_a_stream_that_cannot_be_begun_has_failed(one: Run):
    with application().test_request_context(), pytest.raises(TypeError):
        g.log_entry = AccessLogEntry("mine")
        sse_response(one.opened(), broken)
    (outcome,) = one.outcomes
    assert outcome.result == "internal_error"


def test_a_stream_that_nobody_reads_is_closed_once_by_its_response(one: Run):
    with application().test_request_context():
        g.log_entry = AccessLogEntry("mine")
        response = sse_response(one.opened(), reply(lambda event: []))
    assert one.outcomes == []
    response.close()
    response.close()
    (outcome,) = one.outcomes
    assert outcome.result == "cancelled"


def test_a_response_that_is_lost_before_it_is_sent_is_closed(one: Run):
    with application().test_request_context():
        g.log_entry = AccessLogEntry("mine")
        sse_response(one.opened(), reply(lambda event: []))
        gc.collect()
    assert len(one.outcomes) == 1


def test_a_response_that_an_error_of_a_later_hook_replaces_is_closed_with_the_request(one: Run):
    app = application()

    @app.after_request
    def fail(response: Response) -> Response:
        raise TypeError("a defect of our own")

    @app.get("/")
    def stream() -> Response:
        g.log_entry = AccessLogEntry("mine")
        kept.append(sse_response(one.opened(), reply(lambda event: [])))
        return kept[0]

    kept: list[Response] = []  # as a traceback may keep it: garbage collection does not close it
    assert app.test_client().get("/").status_code == 500
    (outcome,) = one.outcomes
    assert outcome.result == "internal_error"
