"""Prompts and generated texts are written only into the reply."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PATH = "/text-generate"
CANARY = "canary-in-the-prompt"


def ask_everything(client: FlaskClient) -> None:
    """Requests that contain the canary and end in every possible way."""
    for response in _asked(client):
        response.close()


def _asked(client: FlaskClient) -> Iterator[TestResponse]:
    good = {"input_text": CANARY, "length": 20, "temperature": 0}
    yield client.get(PATH, query_string=good)
    yield client.post(PATH, data=good)
    yield client.post(PATH, json=good, headers={"Accept": "application/json"})
    yield client.post(PATH, json=good | {"stream": True}, buffered=True)
    yield client.post(PATH, json=good | {"stream": True})
    yield client.get(PATH, query_string=good | {"temperature": CANARY})
    yield client.get(PATH, query_string=good | {CANARY: "1"})
    yield client.get(PATH, query_string=good | {"model_name": CANARY})
    yield client.get(PATH, query_string=good | {"model_name": "foreign"})
    yield client.get(PATH, query_string=good | {"model_name": "half"})
    yield client.get(PATH, query_string=good | {"input_text": CANARY * 100})
    yield client.post(PATH, data=f'{{"input_text": "{CANARY}', content_type="application/json")
    yield client.post(PATH, data=CANARY, content_type="text/plain")
    yield client.get(f"/{CANARY}")


def test_no_record_of_any_level_holds_a_prompt(client: FlaskClient, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    ask_everything(client)
    assert any(record.message == "request ended" for record in caplog.records)
    written = repr([vars(record) for record in caplog.records])
    assert CANARY not in written and "uvwxyz" not in written  # the text that continues the prompt's last letter


PROGRAM = """
import json, os, signal, sys
from pathlib import Path
from inkwell.app import create_app
from inkwell.observability.logs import configure
from inkwell.settings.settings import Settings
from tests.http.test_privacy import CANARY, PATH, ask_everything

settings = Settings.from_environ()
configure(settings.log_level)
app = create_app(settings)
client = app.test_client()
ask_everything(client)
response = client.post(PATH, json={"input_text": CANARY, "stream": True, "length": 900})
worker = app.extensions["inkwell"].worker("124M")
os.kill(worker.process.pid, signal.SIGKILL)
response.close()
client.post(PATH, json={"input_text": CANARY, "length": 1}, buffered=True)
app.extensions["inkwell"].close()
"""


@pytest.mark.slow
def test_nothing_that_the_service_and_its_workers_print_holds_a_prompt(models_dir: Path):
    variables = {"MODELS_DIR": str(models_dir), "DEFAULT_MODEL": "124M", "LOG_LEVEL": "debug", "DEVICE": "cpu"}
    environ = os.environ | {f"INKWELL_{name}": value for name, value in variables.items()}
    root = Path(__file__).resolve().parent.parent.parent
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, env=environ, capture_output=True, text=True, timeout=120, check=True
    )
    written = done.stdout + done.stderr
    records = [json.loads(line) for line in written.splitlines()]
    assert {"starting a worker", "request ended", "a worker ended"} <= {record["message"] for record in records}
    assert CANARY not in written and "uvwxyz" not in written
