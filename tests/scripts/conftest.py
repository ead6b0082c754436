"""Fixtures of the tests for scripts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scripts.checkpoints import tiny_files
from tests.scripts.desk import COMMIT, Desk
from tests.scripts.hub import Repository, running_hub


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with running_hub() as hub:
        hub.repositories["acme/tiny"] = Repository(tiny_files(), COMMIT)
        models = tmp_path / "models"
        models.mkdir()
        yield Desk(hub, models, tmp_path / "home")
