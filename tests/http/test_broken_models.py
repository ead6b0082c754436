"""A checkpoint that cannot be served: 503 with its code, the cause only in the log, and other models unaffected."""

import json
import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from safetensors.numpy import load_file, save_file

from tests.servable import VOCABULARY, continued, save_servable, save_tokenizer
from tests.serving import RETRY_LOAD_S, problem

PATH = "/text-generate"


@pytest.fixture
def folder(models_dir: Path) -> Iterator[Path]:
    """A valid checkpoint, to be broken by the test, that exists only during the test."""
    folder = models_dir / "broken"
    save_servable(folder)
    yield folder
    shutil.rmtree(folder)


def edit_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def edit_weights(folder: Path, name: str, values: np.ndarray | None) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop(name)
    save_file(weights | ({} if values is None else {name: values}), folder / "model.safetensors")


def refused(client: FlaskClient, folder: Path, code: str) -> str:
    """Request the broken model; return the message, which must not disclose paths. A valid model still answers."""
    response = client.post(PATH, json={"input_text": "a", "model_name": "broken", "stream": True})
    message = problem(response, 503, code)
    assert str(folder.parent) not in response.text and "Traceback" not in response.text
    good = client.post(PATH, json={"input_text": "a", "length": 3, "temperature": 0, "model_name": "124M"})
    assert good.text == continued("a", 3)
    return message


def write(name: str, content: bytes):
    return lambda folder: (folder / name).write_bytes(content)


SEEN_WITHOUT_A_WORKER = {
    "config is empty": (write("config.json", b""), "model_corrupt"),
    "config is a list": (write("config.json", b"[]"), "model_corrupt"),
    "config is not UTF-8": (write("config.json", b"\xff\xfe"), "model_corrupt"),
    "config nests without end": (write("config.json", b"[" * 100_000), "model_corrupt"),
    "config of a billion layers": (lambda folder: edit_config(folder, n_layer=10**9), "model_corrupt"),
    "config whose heads do not fit": (lambda folder: edit_config(folder, n_head=7), "model_corrupt"),
    "config of another family": (lambda folder: edit_config(folder, model_type="bert"), "model_corrupt"),
    "config that brings code": (
        lambda folder: edit_config(folder, auto_map={"AutoModel": "evil.Model"}),
        "model_corrupt",
    ),
    "tokenizer is no JSON": (write("tokenizer.json", b"<html>"), "model_corrupt"),
    "tokenizer is empty": (write("tokenizer.json", b""), "model_corrupt"),
    "tokenizer of another model": (lambda folder: save_tokenizer(folder, extra_tokens=1), "model_corrupt"),
    "weights are missing": (lambda folder: (folder / "model.safetensors").unlink(), "model_corrupt"),
    "weights are pickled": (
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
        "model_needs_conversion",
    ),
}


@pytest.mark.parametrize("what", SEEN_WITHOUT_A_WORKER)
def test_a_folder_that_is_wrong_at_first_sight_is_refused(client: FlaskClient, folder: Path, what: str):
    damage, code = SEEN_WITHOUT_A_WORKER[what]
    damage(folder)
    refused(client, folder, code)


def test_a_folder_of_pickled_weights_is_told_with_the_remedy(client: FlaskClient, folder: Path):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    message = refused(client, folder, "model_needs_conversion")
    assert "scripts/download_model.py --convert models/broken" in message


@pytest.mark.slow
@pytest.mark.parallel
def test_a_truncated_checkpoint_is_corrupt_and_the_log_says_which_file(client: FlaskClient, folder: Path, caplog):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    refused(client, folder, "model_corrupt")
    records = [record for record in caplog.records if record.levelno == logging.ERROR and hasattr(record, "cause")]
    assert any("model.safetensors" in str(record.cause) for record in records)
    assert client.get("/models").status_code == 200
    row = next(row for row in client.get("/models").json["models"] if row["name"] == "broken")
    assert (row["state"], row["error"]) == ("failed", "model_corrupt")


SEEN_BY_THE_WORKER = {
    "five bytes": write("model.safetensors", b"hello"),
    "an endless header": write("model.safetensors", (2**40).to_bytes(8, "little") + b"{}"),
    "an HTML page": write("model.safetensors", b"<!doctype html><title>404</title>" * 9),
    "a git-lfs pointer": write("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
    "a tensor of another shape": lambda folder: edit_weights(folder, "transformer.wte.weight", np.zeros((9, 9), "f4")),
    "a missing tensor": lambda folder: edit_weights(folder, "transformer.ln_f.bias", None),
    "more layers in the config": lambda folder: edit_config(folder, n_layer=2),
    "weights of the other family": lambda folder: edit_config(folder, model_type="gptj"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", SEEN_BY_THE_WORKER)
def test_weights_that_do_not_fit_are_a_corrupt_checkpoint(client: FlaskClient, folder: Path, what: str):
    SEEN_BY_THE_WORKER[what](folder)
    time.sleep(RETRY_LOAD_S)  # the time for which the previous test's failed load is remembered
    refused(client, folder, "model_corrupt")


@pytest.mark.slow
def test_weights_that_are_no_numbers_fail_the_request_and_not_the_model(client: FlaskClient, folder: Path):
    weights = load_file(folder / "model.safetensors")
    weights["transformer.wte.weight"][VOCABULARY - 1] = np.nan  # one token's embedding, that of U+00AD's last byte
    save_file(weights, folder / "model.safetensors")
    time.sleep(RETRY_LOAD_S)
    asked = {"model_name": "broken", "length": 3, "temperature": 0}
    problem(client.post(PATH, json=asked | {"input_text": "\u00ad"}), 500, "invalid_logits")
    assert client.post(PATH, json=asked | {"input_text": "a"}).text == "bcd"
