"""Models that many tests of texts share; no worker runs for them."""

from collections.abc import Callable

import pytest

from inkwell.models.model_store import Model
from tests.generation.runs import Run
from tests.generation.texts import bytewise, demo


@pytest.fixture(scope="session")
def words() -> Model:
    """The demo model."""
    return demo()


@pytest.fixture(scope="session")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A token a byte, and a context of 16."""
    return bytewise(tmp_path_factory.mktemp("letters"), context=16)


@pytest.fixture
def run(letters: Model) -> Callable[..., Run]:
    return lambda **wanted: Run(letters, **wanted)
