"""Shared fixtures: a models folder, an application with its workers, a real server."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient

from inkwell.models.model_store import Model
from tests.generation.texts import bytewise
from tests.generation.texts import demo as demo_model
from tests.servable import save_servable
from tests.serving import MAX_REQUESTS, RETRY_LOAD_S, running_app, running_server

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Restore the default signal handling: background shells may ignore signals, and the processes that tests start
    would inherit that."""
    os.environ["PYTHONPATH"] = str(ROOT / "service")  # so that programs started by tests use this checkout's code
    # How long an example takes depends on the machine's load and decides no test.
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with servable models under the names of published ones, and with folders that cannot be served."""
    root = tmp_path_factory.mktemp("models")
    save_servable(root / "124M")
    save_servable(root / "demo")
    save_servable(root / "gpt-j-6B", "gptj", context=2048)
    save_servable(root / "pickled")
    (root / "pickled" / "model.safetensors").rename(root / "pickled" / "pytorch_model.bin")
    save_servable(root / "half")
    (root / "half" / "model.safetensors").unlink()
    save_servable(root / "foreign")
    (root / "foreign" / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": 257}))
    return root


@pytest.fixture(scope="session")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def app(models_dir: Path, state_dir: Path) -> Iterator[Flask]:
    """The application that most API tests use; its workers start on the first request."""
    limits = {"max_requests": MAX_REQUESTS, "ping_s": 0.2, "retry_load_s": RETRY_LOAD_S}
    with running_app(models_dir, default_model="124M", state_dir=state_dir, **limits) as app:
        yield app


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    """A client without a socket; checks after each test that no request is left in the service."""
    client = app.test_client()
    yield client
    deadline = time.monotonic() + 5
    while requests := client.get("/readyz").json["requests"]:
        assert time.monotonic() < deadline, f"{requests} requests were never ended"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def server(app: Flask) -> Iterator[str]:
    """The address of the same application on a real socket."""
    with running_server(app) as address:
        yield address


@pytest.fixture(scope="session")
def words() -> Model:
    """The demo model, without a worker."""
    return demo_model()


@pytest.fixture(scope="session")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model with one token per byte and a context of 16, without a worker."""
    return bytewise(tmp_path_factory.mktemp("letters"), context=16)
