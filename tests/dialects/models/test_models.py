"""`/models`: one row per model, with the same keys in every state."""

import json
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from inkwell.checkpoints.catalog import KNOWN_MODELS
from tests.servable import save_servable

KEYS = {
    "name", "state", "source", "family", "parameters", "context", "memory_bytes", "device", "dtype", "path", "rows",
    "error",
}  # fmt: skip


def row(client: FlaskClient, name: str) -> dict:
    response = client.get("/models")
    assert response.status_code == 200
    return next(row for row in response.json["models"] if row["name"] == name)


def test_every_row_has_the_same_keys_and_every_model_one_row(client: FlaskClient):
    listed = client.get("/models").json
    assert listed["default_model"] == "124M"
    assert all(row.keys() == KEYS for row in listed["models"])
    names = [row["name"] for row in listed["models"]]
    assert len(names) == len(set(names)) and {known.name for known in KNOWN_MODELS} <= set(names)


def test_a_published_model_that_is_not_here_tells_where_it_would_come_from(client: FlaskClient):
    absent = row(client, "1558M")
    assert (absent["state"], absent["parameters"], absent["memory_bytes"]) == ("not_downloaded", 1_557_611_200, None)
    assert absent["source"] == "openai-community/gpt2-xl@15ea56dee5df4983c59b2538573817e1667135e2"


def test_a_running_model_tells_what_it_is_and_what_it_takes(client: FlaskClient):
    assert client.get("/text-generate?input_text=a&length=1").status_code == 200
    ready = row(client, "124M")
    assert ready["state"] == "ready" and ready["error"] is None
    assert (ready["family"], ready["context"], ready["source"]) == ("gpt2", 1024, "models/124M")
    assert (ready["device"], ready["dtype"], ready["rows"]) == ("cpu", "float32", 16)
    assert 50 << 20 < ready["memory_bytes"] < 4 << 30
    assert "float32" in ready["path"] and ready["parameters"] > 0


@pytest.mark.parametrize(
    ("name", "state", "error"),
    [
        ("pickled", "needs_conversion", None),
        ("half", "incomplete", None),
        ("foreign", "failed", "model_corrupt"),
    ],
)
def test_a_folder_that_cannot_be_served_tells_why(client: FlaskClient, name: str, state: str, error: str | None):
    found = row(client, name)
    assert (found["state"], found["error"], found["context"]) == (state, error, None)


@pytest.fixture
def new_model(models_dir: Path):
    """A folder that appears while the service is running, and is removed again."""
    folder = models_dir / "new-one"
    save_servable(folder, "gptj", context=77)
    yield folder
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def test_a_new_folder_is_available_at_once(client: FlaskClient, new_model: Path):
    found = row(client, "new-one")
    assert (found["state"], found["family"], found["context"]) == ("available", "gptj", 77)
    assert (found["memory_bytes"], found["device"]) == (None, None)


@pytest.mark.parametrize(
    ("note", "source"),
    [
        ({"hub_id": "me/mine", "revision": "abc"}, "me/mine@abc"),
        ({"hub_id": "me/mine"}, "models/new-one"),
        ([], "models/new-one"),
        (None, "models/new-one"),
    ],
)
def test_a_model_tells_the_hub_and_revision_that_the_downloader_noted(
    client: FlaskClient, new_model: Path, note: object, source: str
):
    (new_model / "inkwell.json").write_text(json.dumps(note))
    assert row(client, "new-one")["source"] == source
