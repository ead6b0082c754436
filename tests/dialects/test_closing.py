"""A defect on any line from the admission to the response: nothing stays open, and one outcome is reported."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder

from inkwell import app as wiring
from inkwell import dialects
from inkwell.generation import generator
from inkwell.http import replies
from inkwell.models.registry import Registry
from inkwell.observability.outcome import RequestOutcome
from inkwell.settings.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.parallel]  # half a minute of one core

Place = tuple[str, int]
TRACED = (replies.__file__, generator.__file__, str(Path(dialects.__file__).parent))
JSON = {"Accept": "application/json"}
NATIVE = {"input_text": "ab", "length": 2, "temperature": 0}
TGI = {"inputs": "ab", "parameters": {"max_new_tokens": 2, "details": True}}
COMPLETION = {"prompt": "ab", "max_tokens": 2, "temperature": 0}
CHAT = {"messages": [{"role": "user", "content": "ab"}], "max_tokens": 2, "temperature": 0}
CALLS: dict[str, tuple[str, dict[str, Any], Mapping[str, str]]] = {
    "native text": ("/text-generate", NATIVE | {"echo": True}, {}),
    "native details": ("/text-generate", NATIVE | {"logprobs": 1, "prompt_logprobs": 1}, JSON),
    "native stream": ("/text-generate", NATIVE | {"echo": True, "stream": True}, {}),
    "tgi": ("/", TGI, {}),
    "tgi stream": ("/generate_stream", TGI, {}),
    "completion": ("/v1/completions", COMPLETION | {"echo": True, "logprobs": 1}, {}),
    "completion stream": ("/v1/completions", COMPLETION | {"stream": True}, {}),
    "scored completion": ("/v1/completions", COMPLETION | {"max_tokens": 0, "echo": True, "logprobs": 1}, {}),
    "chat": ("/v1/chat/completions", CHAT, {}),
    "chat stream": ("/v1/chat/completions", CHAT | {"stream": True}, {}),
    "score": ("/v1/score", {"text": "ab"}, {}),
    "ranking": ("/v1/score", {"prompt": "a", "continuations": ["b", "c"]}, {}),
    "next": ("/v1/next", {"prompt": "ab"}, {}),
}


class Recorder:
    """A listener in the place of a tracer: how many requests were admitted, and their outcomes."""

    def __init__(self) -> None:
        self.admitted = 0
        self.outcomes: list[RequestOutcome] = []

    def listen(self) -> Callable[[RequestOutcome], None]:
        self.admitted += 1
        return self.outcomes.append

    def request(self, method: str | None, headers: Mapping[str, str], request_id: str) -> "Recorder":
        return self

    def leave(self) -> None:
        pass

    def end(self, route: str | None, status: int) -> None:
        pass

    def close(self) -> None:
        pass


class Faults:
    """Follows the traced files line by line and raises at one place, the first time that it is reached."""

    def __init__(self, at: Place | None = None) -> None:
        self.places: dict[Place, None] = {}  # in the order of their first time
        self._at = at

    def __enter__(self) -> "Faults":
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
        return self._line if frame.f_code.co_filename.startswith(TRACED) else None

    def _line(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        place = (frame.f_code.co_filename, frame.f_lineno)
        if event == "line" and place not in self.places:
            self.places[place] = None
            if place == self._at:
                raise MemoryError("a defect of our own")
        return self._line


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def recorded(models_dir: Path, recorder: Recorder) -> Iterator[Flask]:
    values = {"MODELS_DIR": models_dir, "DEVICE": "cpu", "DTYPE": "float32", "THREADS": 1, "DEFAULT_MODEL": "124M"}
    settings = Settings.from_environ({f"INKWELL_{name}": str(value) for name, value in values.items()})
    app = wiring.create_app(settings, recorder)
    yield app
    registry: Registry = app.extensions["inkwell"]
    worker = registry.worker("124M")
    registry.close()
    if worker is not None:
        worker.process.wait(10)


def call(app: Flask, name: str, at: Place | None = None) -> tuple[list[Place], int]:
    """Serve the request as a WSGI server does, with a fault at a place; gives the places reached, and the status."""
    path, body, headers = CALLS[name]
    environ = EnvironBuilder(path, method="POST", json=body, headers=headers).get_environ()
    statuses: list[int] = []
    with Faults(at) as faults:
        chunks = app(environ, lambda status, headers, *_: statuses.append(int(status[:3])))
        with closing(chunks), suppress(MemoryError):
            for _ in chunks:
                pass
    return list(faults.places), statuses[0]


@pytest.fixture(scope="module")
def tried() -> set[Place]:
    """Places that an earlier call has tried: what the dialects share is tried once."""
    return set()


@pytest.mark.parametrize("name", CALLS)
def test_a_defect_on_any_line_leaves_nothing_open(recorded: Flask, recorder: Recorder, tried: set[Place], name: str):
    client = recorded.test_client()
    registry: Registry = recorded.extensions["inkwell"]
    call(recorded, name)  # loads the model
    places, status = call(recorded, name)
    assert status == 200 and len(places) > 40
    for place in [place for place in places if place not in tried]:
        tried.add(place)
        recorder.admitted, recorder.outcomes = 0, []
        call(recorded, name, at=place)
        assert client.get("/readyz").json["requests"] == 0, place
        assert [(use.running, use.queued) for use in registry.worker_loads()] == [(0, 0)], place
        assert len(recorder.outcomes) == recorder.admitted, place
        assert all(outcome.result != "ok" for outcome in recorder.outcomes), place
