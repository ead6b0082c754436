"""Models that many tests of texts share; no worker runs for them."""

import pytest

from service.registry.model import Model
from tests.generation.texts import bytewise, demo


@pytest.fixture(scope="session")
def words() -> Model:
    """The demo model."""
    return demo()


@pytest.fixture(scope="session")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A token a byte, and a context of 16."""
    return bytewise(tmp_path_factory.mktemp("letters"), context=16)
