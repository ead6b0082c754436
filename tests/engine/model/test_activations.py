"""The activation functions against those of `transformers`, name by name."""

import pytest
import torch
from transformers.activations import ACT2FN

from inkwell.checkpoints.model_config import ACTIVATIONS
from inkwell.engine.model.linear import ACTIVATION_FUNCTIONS


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_the_function_is_that_of_transformers(name: str) -> None:
    x = torch.linspace(-12, 12, 4001)
    assert torch.allclose(ACTIVATION_FUNCTIONS[name](x), ACT2FN[name](x), rtol=1e-5, atol=1e-6)


def test_the_list_for_readers_without_torch_is_the_same() -> None:
    assert set(ACTIVATION_FUNCTIONS) == set(ACTIVATIONS)
