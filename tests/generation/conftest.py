"""Fixtures: generations on models without a worker, fed with prepared tokens."""

from collections.abc import Callable

import pytest

from inkwell.models.model_store import Model
from tests.generation.runs import Run


@pytest.fixture
def run(letters: Model) -> Callable[..., Run]:
    return lambda **wanted: Run(letters, **wanted)
