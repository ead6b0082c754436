"""Rotary positions as GPT-J uses them: neighbouring pairs of the first dimensions of each head turn with the position.

Takes positions and head vectors, gives turned head vectors; keeps one table of angles for the whole context. Knows no
layers and no sequences.
"""

import torch
from torch import Tensor, nn

_BASE = 10_000.0


class Rotary(nn.Module):
    """Cosine and sine of every position's angles, in float32 whatever the weights are stored in."""

    def __init__(self, context: int, dims: int) -> None:
        super().__init__()
        # A table rather than sin() of each step's positions: vectorised and scalar sin() differ in the last bit, so a
        # row would depend on its place in the batch. device="cpu" because the module is built on the meta device.
        frequencies = _BASE ** (-torch.arange(0, dims, 2, dtype=torch.float32, device="cpu") / dims)
        angles = torch.arange(context, dtype=torch.float32, device="cpu")[:, None] * frequencies
        self.register_buffer("cos", angles.cos(), persistent=False)  # [context, dims / 2]
        self.register_buffer("sin", angles.sin(), persistent=False)

    def at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and sine for a step's positions [T], each [T, 1, dims / 2] so that all heads share them."""
        return self.cos[positions].unsqueeze(1), self.sin[positions].unsqueeze(1)


def rotate(heads: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the first dims of [T, heads, head_dim]; the rest of each head passes through."""
    cos, sin = angles
    dims = 2 * cos.shape[-1]
    even, odd = heads[..., :dims].float().unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).flatten(-2)
    return torch.cat((turned.to(heads.dtype), heads[..., dims:]), dim=-1)
