"""The blocks of GPT-2 and GPT-J: attention and MLP, in each family's order.

Takes and returns hidden states [T, width] of a step. Knows no embedding and no head.
"""

from torch import Tensor, nn

from inkwell.checkpoints.model_config import ModelConfig
from inkwell.engine.model.attention import Attention
from inkwell.engine.model.batch import Batch
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.model.linear import ACTIVATION_FUNCTIONS, Linear
from inkwell.engine.native.model import BlockWeights, NormWeights


class Mlp(nn.Module):
    """The two-layer perceptron of a block."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.up = Linear(config.width, config.inner, activation=ACTIVATION_FUNCTIONS[config.activation])
        self.down = Linear(config.inner, config.width)

    def forward(self, hidden: Tensor, residual: Tensor) -> Tensor:
        """[T, width] to the same, added to `residual`, which may be changed in place."""
        out: Tensor = self.down(self.up(hidden), residual)
        return out


class Gpt2Block(nn.Module):
    """Attention, then MLP, each after a norm of its own."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width, config.layer_norm_epsilon)
        self.attention = Attention(config, layer)
        self.mlp_norm = nn.LayerNorm(config.width, config.layer_norm_epsilon)
        self.mlp = Mlp(config)

    def native_weights(self) -> BlockWeights:
        """The weights as the native model takes them."""
        return _native_weights(self.norm, self.mlp_norm, self.attention, self.mlp)

    def forward(self, hidden: Tensor, batch: Batch, cache: KVCache) -> Tensor:
        hidden = self.attention(self.norm(hidden), hidden, batch, cache)
        out: Tensor = self.mlp(self.mlp_norm(hidden), hidden)
        return out


class GptjBlock(nn.Module):
    """Attention and MLP in parallel after one norm."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width, config.layer_norm_epsilon)
        self.attention = Attention(config, layer)
        self.mlp = Mlp(config)

    def native_weights(self) -> BlockWeights:
        """The weights as the native model takes them."""
        return _native_weights(self.norm, None, self.attention, self.mlp)

    def forward(self, hidden: Tensor, batch: Batch, cache: KVCache) -> Tensor:
        normed = self.norm(hidden)
        out: Tensor = self.mlp(normed, self.attention(normed, hidden, batch, cache))
        return out


def norm_weights(norm: nn.LayerNorm) -> NormWeights:
    """The weights of a norm as the native model takes them."""
    return NormWeights(norm.weight, norm.bias)


def _native_weights(norm: nn.LayerNorm, mlp_norm: nn.LayerNorm | None, attention: Attention, mlp: Mlp) -> BlockWeights:
    return BlockWeights(
        norm=norm_weights(norm),
        mlp_norm=None if mlp_norm is None else norm_weights(mlp_norm),
        qkv=attention.qkv.native_weights(),
        out=attention.out.native_weights(),
        up=mlp.up.native_weights(),
        down=mlp.down.native_weights(),
        scale=attention.scale,
    )
