"""Helpers for requests to `/text-generate`: whole replies with their details, and streams."""

import json
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PATH = "/text-generate"
JSON = {"Accept": "application/json"}


def ask(client: FlaskClient, **values: Any) -> TestResponse:
    """Post a request for a reply with details."""
    return client.post(PATH, json={"input_text": "Once upon a time", **values}, headers=JSON)


def details_of(client: FlaskClient, **values: Any) -> dict:
    response = ask(client, **values)
    assert response.status_code == 200 and response.mimetype == "application/json", response.text
    return response.json


def sample_of(client: FlaskClient, **values: Any) -> dict:
    (sample,) = details_of(client, **values)["samples"]
    return sample


def stream_of(client: FlaskClient, **values: Any) -> list[dict | str]:
    """Parse the events of a stream that was read to its end."""
    response = client.post(PATH, json={"input_text": "Once upon a time", **values, "stream": True}, buffered=True)
    assert response.status_code == 200, response.text
    return events(response.data)


def events(data: bytes) -> list[dict | str]:
    """Parse the events of a whole stream; checks the framing of every byte."""
    *frames, rest = data.split(b"\n\n")
    assert rest == b""
    values: list[dict | str] = []
    for frame in frames:
        if frame == b": ping":
            continue
        assert frame.startswith(b"data: ") and b"\n" not in frame
        text = frame.removeprefix(b"data: ").decode()
        values.append(text if text == "[DONE]" else json.loads(text))
    return values


def texts(values: list[dict | str], samples: int = 1) -> list[str]:
    """Return the joined texts of a stream."""
    joined = [""] * samples
    for value in values:
        if "text" in value:
            joined[value["sample"]] += value["text"]
    return joined
