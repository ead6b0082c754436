"""The blocks that GPT-2 and GPT-J are made of: attention and a perceptron, each in its family's order.

Hidden states [T, width] of a step in, the same out. Knows no embedding and no head.
"""

from torch import Tensor, nn

from inkwell.checkpoints.model_config import ModelConfig
from inkwell.engine.model.activations import ACTIVATION_FUNCTIONS
from inkwell.engine.model.attention import Attention
from inkwell.engine.model.batch import Step
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.model.linear import Linear
from inkwell.engine.native import program


class Mlp(nn.Module):
    """The two-layer perceptron of a block."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.up = Linear(config.width, config.inner, activation=ACTIVATION_FUNCTIONS[config.activation])
        self.down = Linear(config.inner, config.width)

    def forward(self, hidden: Tensor, onto: Tensor) -> Tensor:
        """[T, width] to the same, added to `onto`, which may be changed in place."""
        return self.down(self.up(hidden), onto)


class Gpt2Block(nn.Module):
    """Attention, then MLP, each behind a norm of its own."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width, config.layer_norm_epsilon)
        self.attention = Attention(config, layer)
        self.mlp_norm = nn.LayerNorm(config.width, config.layer_norm_epsilon)
        self.mlp = Mlp(config)

    def native_weights(self) -> program.Block:
        """What the native program computes this block with."""
        return _weights(self.norm, self.mlp_norm, self.attention, self.mlp)

    def forward(self, hidden: Tensor, step: Step, cache: KVCache) -> Tensor:
        hidden = self.attention(self.norm(hidden), hidden, step, cache)
        return self.mlp(self.mlp_norm(hidden), hidden)


class GptjBlock(nn.Module):
    """Attention and MLP side by side behind one norm."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width, config.layer_norm_epsilon)
        self.attention = Attention(config, layer)
        self.mlp = Mlp(config)

    def native_weights(self) -> program.Block:
        """What the native program computes this block with."""
        return _weights(self.norm, None, self.attention, self.mlp)

    def forward(self, hidden: Tensor, step: Step, cache: KVCache) -> Tensor:
        normed = self.norm(hidden)
        return self.mlp(normed, self.attention(normed, hidden, step, cache))


def norm_weights(norm: nn.LayerNorm) -> program.Norm:
    """What the native program computes a norm with."""
    return program.Norm(norm.weight, norm.bias)


def _weights(norm: nn.LayerNorm, mlp_norm: nn.LayerNorm | None, attention: Attention, mlp: Mlp) -> program.Block:
    return program.Block(
        norm_weights(norm),
        None if mlp_norm is None else norm_weights(mlp_norm),
        *(linear.native_weights() for linear in (attention.qkv, attention.out, mlp.up, mlp.down)),
        attention.scale,
    )
