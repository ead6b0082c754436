"""The containers that download models, stopped as a node does: by the image's stop signal, as process 1.

Process 1 ignores signals without a handler; such a container would delay a rollout until the end of its grace period.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inkwell.checkpoints.catalog import known_model
from scripts.chart.helm import NEWEST, helm_program
from tests.deploy import pods
from tests.deploy.container import Container, Image
from tests.helm.chart import Chart, Rendering
from tests.live import public_folder
from tests.scripts.hub import Fault, HubImitation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

MODEL = "355M"
SOON_S = 60.0  # far below what a drain may take


@pytest.fixture
def rendering(hub: HubImitation) -> Rendering:
    models = {"download": [{"name": MODEL}], "hub": {"endpoint": hub.url}}
    return Chart(helm_program(NEWEST)).render({"open": True, "persistence": {"enabled": True}, "models": models})


@pytest.fixture
def volumes() -> Iterator[dict[str, Path]]:
    with public_folder() as folder:
        folder.chmod(0o777)
        yield {"models": folder}


def stopped(image: Image, container: Container) -> int:
    """Wait a short time for the exit status."""
    container.launcher.send_signal(image.stop_signal)
    return container.outside.wait(SOON_S)


def test_the_wait_for_models_ends(image: Image, rendering: Rendering, volumes: dict[str, Path]) -> None:
    with pods.running(image, rendering.wait, volumes, ready=f"waiting for {MODEL}") as container:
        assert stopped(image, container) == 130


def test_a_download_ends(image: Image, rendering: Rendering, volumes: dict[str, Path], hub: HubImitation) -> None:
    hold = threading.Event()
    job: dict[str, Any] = rendering.one("Job")["spec"]["template"]["spec"]["containers"][0]
    hub.faults[f"/blobs/{known_model(MODEL).hub_id}/model.safetensors"] = [Fault(hold=hold)]
    try:
        with pods.running(image, job, volumes, ready=f"{MODEL}: model.safetensors") as container:
            assert stopped(image, container) == 130
            assert "run the same command to resume" in container.logs()
    finally:
        hold.set()
        hub.faults.clear()
