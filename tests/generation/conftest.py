"""A run of prepared tokens through a generation, on a model without a worker."""

from collections.abc import Callable

import pytest

from inkwell.models.model_store import Model
from tests.generation.runs import Run


@pytest.fixture
def run(letters: Model) -> Callable[..., Run]:
    return lambda **wanted: Run(letters, **wanted)
