"""A release as the chart renders it, in the real image: a Job downloads, the service waits, serves with keys, drains.

The hub is an imitation; everything else is what a cluster would run.
"""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from inkwell.checkpoints.catalog import scan
from scripts.chart.helm import NEWEST, helm_program
from tests.deploy import pods
from tests.deploy.container import Container, Image
from tests.helm.chart import Chart, Rendering
from tests.live import free_port, public_folder
from tests.scripts.hub import HubImitation
from tests.servable import continued

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

GROUP = 10001  # fsGroup: the group that owns the volumes
MODEL = "355M"
PROMPT = "a prompt"
MAKE_KEY = {"command": ["python", "scripts/make_key.py", "alice"]}


@dataclass(frozen=True, slots=True)
class Release:
    """A rendered release, and the folders used as its volumes."""

    image: Image
    rendering: Rendering
    volumes: dict[str, Path]
    key: str

    @property
    def download(self) -> dict[str, Any]:
        (container,) = self.rendering.one("Job")["spec"]["template"]["spec"]["containers"]
        return container

    @property
    def wait(self) -> dict[str, Any]:
        (container,) = self.rendering.pod["spec"]["initContainers"]
        return container

    def asked(self, container: Container, key: str) -> requests.Response:
        """Send a request without a model name, which the chart's default model answers."""
        headers = {"Authorization": f"Bearer {key}"}
        values = {"input_text": PROMPT, "length": "10", "temperature": "0"}
        return requests.get(f"{container.url}/text-generate", params=values, headers=headers, timeout=60)


@pytest.fixture
def release(image: Image, hub: HubImitation) -> Iterator[Release]:
    """A release with a new model volume, and a Secret with one client, whose key was created with the image."""
    values = {
        "apiKeys": {"existingSecret": "inkwell-keys"},
        "persistence": {"enabled": True},
        "models": {"download": [{"name": MODEL}], "hub": {"endpoint": hub.url}},
        "preStopSeconds": 1,
    }
    rendering = Chart(helm_program(NEWEST)).render(values)
    printed = pods.run(image, MAKE_KEY, {})
    with public_folder() as folder:
        volumes = {name: folder / name for name in ("models", "keys")}
        for path in volumes.values():
            path.mkdir()
            os.chown(path, 0, GROUP)
            path.chmod(0o2775)
        (volumes["keys"] / "keys").write_text(re.search("file: *(.*)", printed)[1] + "\n")
        os.chown(volumes["keys"] / "keys", 0, GROUP)
        (volumes["keys"] / "keys").chmod(0o440)
        yield Release(image, rendering, volumes, re.search(r"once: *(\S+)", printed)[1])


def test_a_release_gets_its_model_serves_it_and_drains(release: Release) -> None:
    with pods.running(release.image, release.wait, release.volumes, ready=f"waiting for {MODEL}") as waiting:
        pods.run(release.image, release.download, release.volumes)
        assert waiting.outside.wait(30) == 0
    assert scan(release.volumes["models"])[MODEL].state == "available"
    with serving(release) as server:
        assert requests.get(f"{server.url}/readyz", timeout=10).status_code == 200
        assert release.asked(server, release.key).text == continued(PROMPT, 10)
        assert release.asked(server, "another").status_code == 401
        assert server.execute("touch", "/models/x").returncode != 0
        check_helm_test(release, server)
        check_end(release, server)


def test_a_repeated_download_leaves_the_model_alone(release: Release, hub: HubImitation) -> None:
    pods.run(release.image, release.download, release.volumes)
    files = {path: path.stat().st_mtime_ns for path in (release.volumes["models"] / MODEL).iterdir()}
    hub.seen.clear()
    pods.run(release.image, release.download, release.volumes)
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert not hub.gets("model.safetensors")


def serving(release: Release) -> Any:
    """Run the service's container on a port of this machine until its model is loaded."""
    container = release.rendering.container
    return pods.running(release.image, container, release.volumes, ready="ready after", INKWELL_PORT=str(free_port()))


def check_helm_test(release: Release, server: Container) -> None:
    """Run the pod of `helm test`, which reaches the service by its name in the cluster."""
    (container,) = release.rendering.one("Pod")["spec"]["containers"]
    container["args"][1] = server.url
    assert "/readyz 200" in pods.run(release.image, container, {})


def check_end(release: Release, server: Container) -> None:
    """Stop a pod as a kubelet does: the hook, then the stop signal, within the grace period."""
    begun = time.monotonic()
    hook = release.rendering.container["lifecycle"]["preStop"]["exec"]["command"]
    assert server.execute(*hook).returncode == 0
    assert requests.get(f"{server.url}/readyz", timeout=10).status_code == 200
    server.launcher.send_signal(release.image.stop_signal)
    limit_s = release.rendering.pod["spec"]["terminationGracePeriodSeconds"]
    assert server.outside.wait(limit_s) == 0
    assert time.monotonic() - begun < limit_s
