"""The slot cache: the only owner of key and value tensors.

The decoder writes the keys and values of a sequence's new positions layer by layer and views all of its positions for
attention. One slot has room for a whole context. Does not know which sequence uses a slot: the scheduler does.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from inkwell.checkpoints.model_config import ModelConfig


class KVCache:
    """Keys and values of `slots` sequences. The old contents of a slot are stale: positions are written, then viewed.

    `device` is one device for all layers, or a sequence with one for each layer.
    """

    def __init__(
        self,
        config: ModelConfig,
        slots: int,
        device: torch.device | str | Sequence[torch.device],
        dtype: torch.dtype,
    ) -> None:
        assert slots >= 1
        devices = [device] * config.layers if isinstance(device, torch.device | str) else device
        assert len(devices) == config.layers
        # Position next to head_dim: a head's past is one contiguous block for the attention kernel.
        # torch.empty leaves the pages untouched, so on a CPU a slot takes only the memory that was ever written.
        shape = (slots, config.heads, config.context, config.head_dim)
        self._keys = [torch.empty(shape, device=device, dtype=dtype) for device in devices]
        self._values = [torch.empty(shape, device=device, dtype=dtype) for device in devices]
        self.slots = slots
        # [layers, 2]: the memory addresses of each layer's keys and values, for the native kernels
        pairs = zip(self._keys, self._values, strict=True)
        self.addresses = torch.tensor([(keys.data_ptr(), values.data_ptr()) for keys, values in pairs])

    @property
    def dtype(self) -> torch.dtype:
        """The type that keys and values are stored in."""
        return self._keys[0].dtype

    @property
    def nbytes(self) -> int:
        """Size of all tensors, whether or not their pages were ever written."""
        return 2 * sum(keys.nbytes for keys in self._keys)

    @property
    def devices(self) -> list[torch.device]:
        """The device of each layer's tensors."""
        return [keys.device for keys in self._keys]

    @property
    def gpu_bytes(self) -> int:
        """The part of `nbytes` that is on GPUs."""
        return 2 * sum(keys.nbytes for keys in self._keys if keys.is_cuda)

    def write(self, layer: int, slots: Tensor, positions: Tensor, keys: Tensor, values: Tensor) -> None:
        """Store what one layer computed for T tokens: slots and positions [T], keys and values [T, heads, head_dim]."""
        self._keys[layer][slots, :, positions] = keys
        self._values[layer][slots, :, positions] = values

    def layer(self, layer: int) -> tuple[Tensor, Tensor]:
        """Keys and values of one layer, each [slots, heads, context, head_dim]."""
        return self._keys[layer], self._values[layer]

    def view(self, layer: int, slot: int, length: int) -> tuple[Tensor, Tensor]:
        """Keys and values of the first `length` positions, each [heads, length, head_dim], without a copy."""
        return self._keys[layer][slot, :, :length], self._values[layer][slot, :, :length]

    def gather(self, layer: int, slots: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Copies of the keys and values of slots [rows] at positions [rows, n], each [rows, n, heads, head_dim]."""
        rows = slots.unsqueeze(1)
        return self._keys[layer][rows, :, positions], self._values[layer][rows, :, positions]

    def copy(self, from_slot: int, to_slot: int, length: int) -> None:
        """Copy the first `length` positions of one slot to another."""
        for part in (*self._keys, *self._values):
            part[to_slot, :, :length] = part[from_slot, :, :length]
