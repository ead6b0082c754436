"""Rotary positions as in GPT-J: neighbouring pairs of each head's first dimensions are rotated by an angle that grows
with the position.

Takes positions and head vectors, returns rotated head vectors; keeps one table of angles for the whole context. Knows
no layers and no sequences.
"""

import torch
from torch import Tensor, nn

_BASE = 10_000.0


class Rotary(nn.Module):
    """Cosine and sine of every position's angles, in float32 for any precision of the weights."""

    cos: Tensor  # [context, dims / 2]
    sin: Tensor

    def __init__(self, context: int, dims: int) -> None:
        super().__init__()
        # A table rather than sin() of each step's positions: vectorised and scalar sin() differ in the last bit, so a
        # row would depend on its place in the batch. device="cpu" because the module is built on the meta device.
        frequencies = _BASE ** (-torch.arange(0, dims, 2, dtype=torch.float32, device="cpu") / dims)
        angles = torch.arange(context, dtype=torch.float32, device="cpu")[:, None] * frequencies
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and sine for a step's positions [T], each [T, 1, dims / 2] so that all heads share them."""
        return self.cos[positions].unsqueeze(1), self.sin[positions].unsqueeze(1)


def rotate(heads: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the first dims of [T, heads, head_dim]; the rest of each head is passed through."""
    cos, sin = angles
    dims = 2 * cos.shape[-1]
    even, odd = torch.unflatten(heads[..., :dims].float(), -1, (-1, 2)).unbind(-1)
    rotated = torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).flatten(-2)
    return torch.cat((rotated.to(heads.dtype), heads[..., dims:]), dim=-1)
