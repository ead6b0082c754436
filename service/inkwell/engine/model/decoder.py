"""The decoder of GPT-2 and GPT-J: token ids of a ragged batch in, hidden states and logits out.

A step's tokens come as one flat tensor [T]: the spans' tokens end to end, without padding, each span with its own
length and its own past in the cache. What a span gives does not depend on the other spans. `Decoder` computes; it does
not know sampling, requests or files, and never chooses what runs. `checkpoint.py` places the weights into it.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inkwell.checkpoints.model_config import ModelConfig
from inkwell.engine.model.activations import ACTIVATION_FUNCTIONS, gelu_tanh
from inkwell.engine.model.attention import Attention
from inkwell.engine.model.batch import Step, groups_of, native_step, reach_for, span_table, step_of, token_step
from inkwell.engine.model.blocks import Gpt2Block, GptjBlock, norm_weights
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.model.linear import ROWS_TOGETHER, Linear
from inkwell.engine.model.rotary import Rotary
from inkwell.engine.model.span import Span
from inkwell.engine.native import program
from inkwell.engine.native.library import Kernels
from inkwell.engine.native.program import Program
from inkwell.engine.native.quantization import dequantize_rows


class Decoder(nn.Module):
    """A whole model. GPT-2 adds learned positions to its input; GPT-J turns queries and keys instead."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        gpt2 = config.family == "gpt2"
        block = Gpt2Block if gpt2 else GptjBlock
        self.config = config
        self.embedding = nn.Parameter(torch.empty(config.vocab_size, config.width))
        self.embedding_scale: Tensor | None = None  # [vocab] float32, of an 8-bit embedding
        self.positions = nn.Parameter(torch.empty(config.context, config.width)) if gpt2 else None
        self.rotary = Rotary(config.context, config.rotary_dim) if config.rotary_dim else None
        self.blocks = nn.ModuleList(block(config, layer) for layer in range(config.layers))
        self.norm = nn.LayerNorm(config.width, config.layer_norm_epsilon)
        # GPT-J's head keeps a bias of its own even when its matrix is tied
        self.head = Linear(config.width, config.vocab_size, bias=not gpt2)
        self._kernels: Kernels | None = None
        self._program: Program | None = None  # all blocks in one call, where the kernels know their activation
        self.tie_head()
        self.requires_grad_(False)

    def tie_head(self) -> None:
        """Make a tied head the embedding itself; again whenever the embedding was replaced."""
        if self.config.tied_head:
            self.head.weight, self.head.scale = self.embedding, self.embedding_scale

    def use(self, kernels: Kernels) -> None:
        """Compute with the native kernels from now on; the weights must be of a precision for them."""
        for module in self.modules():
            if isinstance(module, Linear | Attention):
                module.kernels = kernels
        self._kernels = kernels
        if ACTIVATION_FUNCTIONS[self.config.activation] is gelu_tanh:
            self._program = Program(kernels, self._layers())

    @property
    def uniform(self) -> bool:
        """Whether a token's bits do not depend on how its sequence is cut into spans, and on who shares a step."""
        # An activation of torch's own computes the last few numbers of a tensor in another way than the others.
        fixed = ACTIVATION_FUNCTIONS[self.config.activation] is gelu_tanh or self.config.inner % 32 == 0
        return self._kernels is not None and fixed

    @torch.inference_mode()
    def forward(self, tokens: Tensor, spans: Sequence[Span], cache: KVCache) -> Tensor:
        """Hidden states [T, width] of the spans' tokens [T], behind the last norm; fills the cache on the way."""
        assert tokens.shape == (sum(span.length for span in spans),), (tokens.shape, spans)
        # An index past the table is an exception on a CPU, but on a GPU it ends the whole CUDA context.
        assert all(span.end <= self.config.context for span in spans), (self.config.context, spans)
        assert all(span.slot < cache.slots for span in spans), (cache.slots, spans)
        tokens = tokens.to(self.embedding.device)
        if self._program is not None:
            return self._program.run(self._embed(tokens), span_table(spans), cache.addresses, cache.dtype)
        if self._kernels is not None:
            return self.run(tokens, native_step(spans), cache)
        groups = groups_of(spans)
        parts = tokens.split([sum(span.length for span in group) for group in groups])
        steps = [self._lay(group, tokens.device) for group in groups]
        return torch.cat([self.run(part, step, cache) for part, step in zip(parts, steps, strict=True)])

    def _lay(self, group: Sequence[Span], device: torch.device) -> Step:
        if device.type != "cuda" or group[0].length > 1:
            return step_of(group, device)
        slots, positions = torch.tensor([[span.slot for span in group], [span.start for span in group]], device=device)
        return token_step(slots, positions, reach_for(max(span.end for span in group), self.config.context))

    def run(self, tokens: Tensor, step: Step, cache: KVCache) -> Tensor:
        """One pass through the layers: hidden states [T, width] of tokens [T] on the embedding's device.

        For those who lay out a step themselves; the caller turns inference mode on.
        """
        hidden = self._embed(tokens)  # [T, width]
        if self.positions is not None:
            hidden = hidden + F.embedding(step.positions, self.positions)
        if self.rotary is not None:
            step = replace(step, angles=self.rotary.at(step.positions))
        for block in self.blocks:
            hidden = block(hidden, step, cache)
        return self.norm(hidden)

    def _embed(self, tokens: Tensor) -> Tensor:
        if self.embedding_scale is not None:
            return dequantize_rows(self.embedding, self.embedding_scale, tokens)
        return F.embedding(tokens, self.embedding).to(self.norm.weight.dtype)

    def _layers(self) -> program.Layers:
        """Everything between embedding and head, as the native program wants it."""
        return program.Layers(
            [block.native_weights() for block in self.blocks],
            norm_weights(self.norm),
            self.norm.eps,
            self.config.heads,
            self.config.inner,
            self.config.context,
            self.positions,
            None if self.rotary is None else (self.rotary.cos, self.rotary.sin),
        )

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the next token [n, vocab] in float32 for n hidden states [n, width]."""
        if self._kernels is not None:
            return self.head(hidden)
        return torch.cat([self.head(rows).float() for rows in hidden.split(ROWS_TOGETHER)])
