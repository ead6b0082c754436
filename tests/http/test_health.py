"""`/livez` and `/readyz` in every state that the service can be in."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.servable import save_servable
from tests.serving import running_app


def ready(client: FlaskClient) -> tuple[int, str, str | None]:
    response = client.get("/readyz")
    assert list(response.json) == ["status", "reason", "requests"]
    return response.status_code, response.json["status"], response.json["reason"]


def test_a_service_whose_default_model_can_be_loaded_is_alive_and_ready(client: FlaskClient):
    assert client.get("/livez").json == {"status": "ok"}
    assert ready(client) == (200, "ready", None)


def test_running_requests_are_counted(client: FlaskClient):
    response = client.post("/text-generate", json={"input_text": "a", "stream": True})
    assert client.get("/readyz").json["requests"] == 1
    response.close()
    assert client.get("/readyz").json["requests"] == 0


def test_a_draining_service_is_alive_and_not_ready(client: FlaskClient, state_dir: Path):
    flag = state_dir / "draining"
    flag.touch()
    try:
        status, state, reason = ready(client)
        assert (status, state) == (503, "draining") and "refused" in reason
        assert client.get("/livez").status_code == 200
    finally:
        flag.unlink()
    assert ready(client)[0] == 200


@pytest.mark.slow
@pytest.mark.parallel
def test_while_models_are_preloaded_it_is_not_ready(models_dir: Path):
    with running_app(models_dir, default_model="124M", preload="124M,nobody") as app:
        client = app.test_client()
        status, state, reason = ready(client)
        assert (status, state) == (503, "loading") and "124M" in reason
        worker = wait_for(lambda: app.extensions["inkwell"].worker("124M"))
        os.kill(worker.process.pid, signal.SIGSTOP)
        listed = {row["name"]: row for row in client.get("/models").json["models"]}
        os.kill(worker.process.pid, signal.SIGCONT)
        assert listed["124M"]["state"] == "loading" and listed["124M"]["device"] is None
        assert client.get("/livez").status_code == 200
        wait_for(lambda: ready(client)[0] == 200)
        assert app.extensions["inkwell"].worker("124M").ready


def wait_for(condition, timeout_s: float = 30):
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)
    return value


def damage(folder: Path, what: str) -> None:
    """Break a servable checkpoint in a way that is detected without a worker."""
    if what == "missing":
        shutil.rmtree(folder)
    elif what == "config":
        (folder / "config.json").write_text("{")
    elif what == "foreign":
        (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    elif what == "tokenizer":
        (folder / "tokenizer.json").write_text("{}")
    elif what == "weights":
        (folder / "model.safetensors").unlink()
    elif what == "pickled":
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("missing", "124M is not on this machine"),
        ("config", "config.json is not JSON"),
        ("foreign", "model_type is 'llama'"),
        ("tokenizer", "tokenizer files are damaged"),
        ("weights", "not a complete checkpoint"),
        ("pickled", "--convert models/124M"),
    ],
)
@pytest.mark.parametrize("default_model", ["124M", "gpt2"])
def test_without_a_good_default_model_it_is_not_ready_and_says_why(
    tmp_path: Path, what: str, reason: str, default_model: str
):
    save_servable(tmp_path / "124M")
    with running_app(tmp_path, default_model=default_model) as app:
        client = app.test_client()
        assert ready(client)[0] == 200
        damage(tmp_path / "124M", what)
    with running_app(tmp_path, default_model=default_model) as app:
        client = app.test_client()
        status, state, told = ready(client)
        assert (status, state) == (503, "not_ready") and reason in told and str(tmp_path) not in told
        assert client.get("/livez").status_code == 200


@pytest.mark.slow
@pytest.mark.parallel
def test_a_default_model_that_failed_to_load_is_not_ready_and_is_again_when_it_is_mended(tmp_path: Path):
    save_servable(tmp_path / "124M")
    whole = (tmp_path / "124M" / "model.safetensors").read_bytes()
    (tmp_path / "124M" / "model.safetensors").write_bytes(whole[:-8])
    with running_app(tmp_path, default_model="gpt2", retry_load_s=0.1) as app:
        client = app.test_client()
        assert ready(client)[0] == 200  # the weights have not been read yet
        assert client.get("/text-generate?input_text=a").status_code == 503
        assert ready(client) == (503, "not_ready", "the checkpoint's weights cannot be read")
        (tmp_path / "124M" / "model.safetensors").write_bytes(whole)
        time.sleep(0.1)
        assert client.get("/text-generate?input_text=a&length=1").status_code == 200
        assert ready(client) == (200, "ready", None)
