"""The image under a real container engine, with the commands of docs/docker.md."""

import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.deploy.container import Image
from tests.deploy.engine import Engine, Running, podman
from tests.deploy.streams import DONE, held_stream
from tests.live import PROJECT_ROOT, free_port, public_folder
from tests.scripts.hub import HubImitation
from tests.servable import continued, save_servable

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

PAGE = (PROJECT_ROOT / "docs/docker.md").read_text()
OPEN = ("--env", "INKWELL_OPEN=1")
DOWNLOADED = "355M"
PROMPT = {"input_text": "a prompt", "length": "10", "temperature": "0"}  # for models of tests/servable.py


@pytest.fixture(scope="module")
def engine(image: Image) -> Iterator[Engine]:
    with podman(image) as running:
        yield running


@pytest.fixture(scope="module")
def own_image(engine: Engine, image: Image, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build an image with a custom model from the two-line Dockerfile of the page; return its name."""
    folder = tmp_path_factory.mktemp("own")
    (copy,) = re.findall("`(COPY .* my-model /models/my-model)`", PAGE)
    save_servable(folder / "my-model")  # safetensors writes weights with mode 0600
    (folder / "Dockerfile").write_text(f"FROM {image.name}\n{copy}\n")
    engine.run("build", "--format", "docker", "--tag", "localhost/own", folder)
    return "localhost/own"


@pytest.fixture(scope="module")
def confined(engine: Engine, own_image: str) -> Iterator[Running]:
    """A container confined as on the page, with less memory than the machine has."""
    (line,) = re.findall(r"^docker run (--read-only .*) \.\.\.$", PAGE, re.M)
    with serving(engine, own_image, *OPEN, *line.split(), "--memory", "3g") as running:
        yield running


@contextmanager
def serving(engine: Engine, image: str, *options: str) -> Iterator[Running]:
    """Run the service on a free port until it is ready; kill it at the end."""
    port = free_port()
    name = engine.run("run", "--detach", "--env", f"INKWELL_PORT={port}", *options, image)
    running = Running(engine, name, f"http://127.0.0.1:{port}")
    try:
        running.wait_for("/readyz", 200)
        yield running
    finally:
        engine.run("rm", "--force", "--time", "0", running.name)


def answer(running: Running, model: str, key: str = "none") -> requests.Response:
    values = PROMPT | {"model_name": model}
    headers = {"Authorization": f"Bearer {key}"}
    return requests.get(f"{running.url}/text-generate", params=values, headers=headers, timeout=60)


def test_ones_own_model_answers_as_the_page_confines_it(confined: Running) -> None:
    assert answer(confined, "my-model").text == continued("a prompt", 10)
    status = confined.execute("cat", "/proc/1/status").stdout
    assert re.search(r"CapBnd:\s0{16}$", status, re.M) and re.search(r"NoNewPrivs:\s1$", status, re.M)
    assert confined.execute("id", "-u").stdout.strip() == "10001"
    assert confined.execute("touch", "/tmp/x", "/run/x").returncode == 0
    assert "Read-only" in confined.execute("touch", "/opt/inkwell/x").stderr


def test_the_engine_finds_it_healthy(confined: Running) -> None:
    assert confined.engine.tried("healthcheck", "run", confined.name).returncode == 0
    assert confined.state["Health"]["Status"] == "healthy"


def test_it_knows_the_memory_that_the_engine_lets_it_have(confined: Running) -> None:
    metrics = requests.get(f"{confined.url}/metrics", timeout=10).text
    (limit,) = re.findall(r"^inkwell_memory_limit_bytes (\S+)$", metrics, re.M)
    assert float(limit) == 3 << 30


def test_stopping_lets_a_held_stream_finish(engine: Engine, image: Image) -> None:
    with serving(engine, image.name, *OPEN, "--stop-timeout", "60") as running, held_stream(running) as stream:
        with ThreadPoolExecutor() as aside:
            stopping = aside.submit(engine.run, "stop", running.name)
            running.wait_for("/readyz", 503)
            assert stream.rest()[-1] == DONE
            stopping.result()
        assert (running.state["Status"], running.state["ExitCode"]) == ("exited", 0)


def test_with_a_terminal_another_signal_stops_it(engine: Engine, image: Image) -> None:
    with serving(engine, image.name, *OPEN, "--tty") as running:
        engine.run("kill", "--signal", signal.SIGWINCH.name, running.name)
        time.sleep(1)  # enough for a drain to begin
        running.wait_for("/readyz", 200)
        engine.run("kill", "--signal", signal.SIGTERM.name, running.name)
        assert engine.run("wait", running.name) == "0"


def test_what_the_page_mounts_is_used(engine: Engine, image: Image, hub: HubImitation) -> None:
    """A models folder that any user can write to, and a keys file created with the image."""
    printed = engine.run("run", "--rm", image.name, "python", "scripts/make_key.py", "alice")
    with public_folder() as folder:
        keys, models = folder / "keys", folder / "models"
        keys.write_text(re.search("file: *(.*)", printed)[1] + "\n")
        keys.chmod(0o644)  # the service's user must read both, whatever the umask is here
        models.mkdir()
        models.chmod(0o755)
        os.chown(models, 54321, 0)
        download(engine, image, hub, models, user="54321")
        volumes = ("--volume", f"{models}:/models:ro", "--volume", f"{keys}:/etc/inkwell/keys:ro")
        variables = (f"INKWELL_DEFAULT_MODEL={DOWNLOADED}", "INKWELL_KEYS_FILE=/etc/inkwell/keys")
        options = (*volumes, *(part for variable in variables for part in ("--env", variable)))
        with serving(engine, image.name, *options) as running:
            assert answer(running, DOWNLOADED).status_code == 401
            key = re.search(r"once: *(\S+)", printed)[1]
            assert answer(running, DOWNLOADED, key).text == continued("a prompt", 10)


def download(engine: Engine, image: Image, hub: HubImitation, folder: Path, user: str) -> None:
    options = ("--user", user, "--volume", f"{folder}:/models", "--env", f"HF_ENDPOINT={hub.url}")
    command = ("python", "scripts/download_model.py", "--models-dir", "/models", DOWNLOADED)
    engine.run("run", "--rm", *options, image.name, *command)
    assert {path.stat().st_uid for path in (folder / DOWNLOADED).iterdir()} == {int(user)}
