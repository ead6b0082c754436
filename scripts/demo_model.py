"""The GPT-2 that `train_demo.py` trains: forward pass, saving, loading, and adding layers to a trained model.

Works with token ids, logits, and tensors with the names and orientation of transformers' GPT2LMHeadModel. Knows no
text, no data and no optimizer.
"""

import argparse
import math
import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """The projections of one attention layer; q, k and v are separate so that Muon orthogonalises each on its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.c_proj = nn.Linear(width, width)


class Mlp(nn.Module):
    """The two projections of one layer's MLP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc, self.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)


class Block(nn.Module):
    """One GPT-2 layer."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn, self.mlp = Attention(width), Mlp(width)

    def forward(self, x: Tensor) -> Tensor:  # [B, T, D]
        parts = (self.attn.q, self.attn.k, self.attn.v)
        weight, bias = torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts])
        qkv = F.linear(self.ln_1(x), weight, bias).unflatten(-1, (3, self.heads, -1))  # [B, T, 3, H, d]
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        h = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # [B, H, T, d]
        x = x + self.dropout(self.attn.c_proj(h.transpose(1, 2).flatten(2)))
        h = F.gelu(self.mlp.c_fc(self.ln_2(x)), approximate="tanh")
        x = x + self.dropout(self.mlp.c_proj(h))
        return x


class GPT2(nn.Module):
    """The architecture of transformers' GPT2LMHeadModel; the head is the transposed token table."""

    def __init__(self, vocab: int, args: argparse.Namespace) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, args.width), nn.Embedding(args.positions, args.width)
        self.h = nn.ModuleList(Block(args.width, args.heads, args.dropout) for _ in range(args.layers))
        self.ln_f, self.dropout = nn.LayerNorm(args.width), nn.Dropout(args.dropout)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                last = name.endswith("c_proj.weight")  # projections into the residual stream start smaller
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * args.layers) if last else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, ids: Tensor, first: int = 0) -> Tensor:  # [B, T] -> [B, T, V]
        x = self.dropout(self.wte(ids) + self.wpe.weight[first : first + ids.shape[1]])
        for block in self.h:
            x = block(x)
        return F.linear(self.ln_f(x), self.wte.weight)

    def tensors(self) -> dict[str, Tensor]:
        """The weights with transformers' names and [in, out] orientation; without the head, because it is tied."""
        state: dict[str, Tensor] = dict(self.named_parameters())
        for name in [name for name in state if ".q." in name]:
            parts = [state.pop(name.replace(".q.", f".{part}.")) for part in "qkv"]
            state[name.replace(".q.", ".c_attn.")] = torch.cat(parts)
        turned = {name: t.T if t.ndim == 2 and name.startswith("h.") else t for name, t in state.items()}
        return {f"transformer.{name}": t.detach().half().contiguous() for name, t in turned.items()}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what `tensors` returned; raises RuntimeError if a name or a shape does not match."""
        state = {name.removeprefix("transformer."): tensor.float() for name, tensor in tensors.items()}
        state = {name: t.T if t.ndim == 2 and name.startswith("h.") else t for name, t in state.items()}
        for name in [name for name in state if ".c_attn." in name]:
            parts = zip("qkv", state.pop(name).chunk(3), strict=True)
            state |= {name.replace(".c_attn.", f".{part}."): tensor for part, tensor in parts}
        self.load_state_dict(state)


def deepen(tensors: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """Return the weights of an equivalent model with `layers` layers, the new ones evenly distributed.

    A new layer is a copy of the one before it with both output projections zero, so that it adds nothing to the
    residual stream at first. After LLaMA Pro (block expansion, arXiv 2401.02415). Raises ValueError for fewer layers
    than there are.
    """
    pattern = re.compile(r"transformer\.h\.(\d+)\.(.*)")
    old = 1 + max(int(match[1]) for match in map(pattern.match, tensors) if match)
    if layers < old:
        raise ValueError(f"the trained model has {old} layers, which is more than {layers}")
    deep = {name: tensor for name, tensor in tensors.items() if not pattern.match(name)}
    origins = [layer * old // layers for layer in range(layers)]
    for layer, origin in enumerate(origins):
        is_new = layer > 0 and origins[layer - 1] == origin
        prefix = f"transformer.h.{origin}."
        for name in [name for name in tensors if name.startswith(prefix)]:
            part = name.removeprefix(prefix)
            tensor = torch.zeros_like(tensors[name]) if is_new and ".c_proj." in part else tensors[name]
            deep[f"transformer.h.{layer}.{part}"] = tensor
    return deep
