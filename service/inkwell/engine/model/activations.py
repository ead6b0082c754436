"""The activation functions of the MLP, by the names that `config.json` uses.

Tensor in, tensor of the same shape out. `ACTIVATIONS` in checkpoints/model_config.py lists the same names for readers
without torch; a test holds the two together. Functions with parameters of their own (prelu, xielu) are left out,
because no GPT-2 or GPT-J checkpoint stores such parameters.
"""

import math
from collections.abc import Callable
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F

Activation = Callable[[Tensor], Tensor]


def gelu_tanh(x: Tensor) -> Tensor:
    """The GELU of the published models; the native kernels have their own."""
    return F.gelu(x, approximate="tanh")


def _quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def _clipped_gelu(x: Tensor) -> Tensor:
    return F.gelu(x).clamp(-10, 10)


def _laplace(x: Tensor) -> Tensor:
    return 0.5 * (1.0 + torch.erf((x - 0.707107) / (0.282095 * math.sqrt(2.0))))


def _squared_relu(x: Tensor) -> Tensor:
    return F.relu(x).square()


def _sqrt_softplus(x: Tensor) -> Tensor:
    return F.softplus(x).sqrt()


def _linear(x: Tensor) -> Tensor:
    return x


ACTIVATION_FUNCTIONS: MappingProxyType[str, Activation] = MappingProxyType(
    {
        "gelu": F.gelu,
        "gelu_10": _clipped_gelu,
        # five names of one function: they differ in how it is spelt out, not in what it computes
        "gelu_accurate": gelu_tanh,
        "gelu_fast": gelu_tanh,
        "gelu_new": gelu_tanh,
        "gelu_python_tanh": gelu_tanh,
        "gelu_pytorch_tanh": gelu_tanh,
        "gelu_python": F.gelu,
        "hardswish": F.hardswish,
        "laplace": _laplace,
        "leaky_relu": F.leaky_relu,
        "linear": _linear,
        "mish": F.mish,
        "quick_gelu": _quick_gelu,
        "relu": F.relu,
        "relu2": _squared_relu,
        "relu6": F.relu6,
        "sigmoid": torch.sigmoid,
        "silu": F.silu,
        "sqrtsoftplus": _sqrt_softplus,
        "swish": F.silu,
        "tanh": torch.tanh,
    }
)
