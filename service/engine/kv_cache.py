"""The slot cache: the only owner of key and value tensors.

The decoder writes the keys and values of a sequence's new positions layer by layer and views all of its positions for
attention. One slot has room for a whole context. Does not know which sequence sits in a slot: the scheduler does.
"""

import torch
from torch import Tensor

from service.model_config import ModelConfig


class KVCache:
    """Keys and values of `slots` sequences. A slot's old content is stale and must be written before it is viewed."""

    def __init__(self, config: ModelConfig, slots: int, device: torch.device | str, dtype: torch.dtype) -> None:
        assert slots >= 1
        # Position next to head_dim: a head's past is one contiguous block for the attention kernel.
        # torch.empty leaves the pages untouched, so on a CPU a slot costs memory only as far as it was ever filled.
        shape = (config.layers, slots, config.heads, config.context, config.head_dim)
        self._keys = torch.empty(shape, device=device, dtype=dtype)
        self._values = torch.empty(shape, device=device, dtype=dtype)

    @property
    def nbytes(self) -> int:
        """Size of both tensors, touched or not."""
        return 2 * self._keys.nbytes

    def write(self, layer: int, slots: Tensor, positions: Tensor, keys: Tensor, values: Tensor) -> None:
        """Store what one layer computed for T tokens: slots and positions [T], keys and values [T, heads, head_dim]."""
        self._keys[layer][slots, :, positions] = keys
        self._values[layer][slots, :, positions] = values

    def view(self, layer: int, slot: int, length: int) -> tuple[Tensor, Tensor]:
        """Keys and values of the first `length` positions, each [heads, length, head_dim], without a copy."""
        return self._keys[layer, slot, :, :length], self._values[layer, slot, :, :length]
