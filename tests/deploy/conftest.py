"""Fixtures: a real server for tests that do not stop it, the built image, and the hub whose model it contains."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from inkwell.checkpoints.catalog import known_model
from tests.deploy.container import Image
from tests.deploy.image_build import built_image
from tests.live import LiveServer, live_server
from tests.scripts.hub import HubImitation, Repository, running_hub
from tests.servable import save_servable

PUBLISHED = ("124M", "355M")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the image require root; `make test` as another user skips them and reports that."""
    for item in items:
        if "image" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.root)


@pytest.fixture(scope="session")
def server() -> Iterator[LiveServer]:
    with live_server(log_level="debug") as running:
        yield running


@pytest.fixture(scope="session")
def hub() -> Iterator[HubImitation]:
    """A hub that serves small models under the names of published ones."""
    with TemporaryDirectory() as folder, running_hub() as running:
        save_servable(Path(folder))
        files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        for known in map(known_model, PUBLISHED):
            assert known is not None
            running.repositories[known.hub_id] = Repository(files, known.revision)
        yield running


@pytest.fixture(scope="session")
def image(hub: HubImitation) -> Iterator[Image]:
    """The image, built once, with a model of the hub besides the demo."""
    with built_image("--build-arg", "MODELS=124M", "--build-arg", f"HF_ENDPOINT={hub.url}") as built:
        yield built
