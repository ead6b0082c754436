"""Tiny random checkpoints for tests: `transformers` builds and saves them, so it also computes the expected results.

Makes folders as a user would have them (config.json and model.safetensors; no tokenizer) and has the loops that the
oracle tests share. The weights have a wide spread, biases and norms included: with the usual small ones a swapped bias
or a forgotten scale would stay below the tolerance, and greedy text would repeat one token forever.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, GPTJConfig, GPTJForCausalLM, PreTrainedModel

from inkwell.checkpoints.model_config import read_config
from inkwell.engine.checkpoint.checkpoint import load_decoder
from inkwell.engine.checkpoint.precision import resolve_precision
from inkwell.engine.model.batch import Segment
from inkwell.engine.model.decoder import Decoder
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.native.library import open_kernels

Tensors = dict[str, Tensor]

TINY = {"vocab_size": 97, "n_positions": 128, "n_embd": 30, "n_layer": 3, "n_head": 3}
NO_SPECIAL_TOKENS: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}


def tiny_model(family: str, seed: int = 0, spread: float = 0.4, **changes: Any) -> PreTrainedModel:
    """A random model of the family; `changes` are keys of its config.json."""
    keys = {**TINY, **NO_SPECIAL_TOKENS, **({"rotary_dim": 4} if family == "gptj" else {}), **changes}
    # eager is the arithmetic that the papers describe, and the only path that obeys reorder_and_upcast_attn
    keys["attn_implementation"] = "eager"
    model: PreTrainedModel = (
        GPT2LMHeadModel(GPT2Config(**keys)) if family == "gpt2" else GPTJForCausalLM(GPTJConfig(**keys))
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(0.0, spread, generator=generator)
            if ".ln_" in name and name.endswith("weight"):
                parameter.add_(1.0)
    return model.eval()


def save_tiny(folder: Path, family: str = "gpt2", max_shard_size: str = "1GB", **changes: Any) -> PreTrainedModel:
    """Save a tiny random model as a checkpoint folder, and return the model."""
    model = tiny_model(family, **changes)
    model.save_pretrained(folder, max_shard_size=max_shard_size)
    return model


def edit(folder: Path, change: Callable[[Tensors], Tensors]) -> Path:
    """Rewrite the tensors of a folder that has a single file of them."""
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors", {"format": "pt"})
    return folder


def load_tiny(folder: Path, precision: str = "float32", native: bool = True) -> Decoder:
    """The folder's decoder on the CPU, computed by the native kernels or by torch."""
    kernels = open_kernels(threads=2) if native else None
    assert not native or kernels is not None, "the tests need a CPU with AVX2 and the kernels that make builds"
    return load_decoder(
        folder, read_config(folder), "cpu", resolve_precision(precision, None, "cpu", kernels is not None), kernels
    )


def new_cache(decoder: Decoder, slots: int = 1) -> KVCache:
    dtype = decoder.embedding.dtype
    return KVCache(decoder.config, slots, "cpu", dtype if dtype.is_floating_point else torch.bfloat16)


def run_chunks(decoder: Decoder, cache: KVCache, slot: int, tokens: Sequence[int], chunk: int) -> Tensor:
    """Logits [len(tokens), vocab] of one sequence computed from position 0, `chunk` tokens per step."""
    parts = []
    for start in range(0, len(tokens), chunk):
        part = torch.tensor(tokens[start : start + chunk])
        parts.append(decoder.logits(decoder(part, [Segment(slot, start, len(part))], cache)))
    return torch.cat(parts)


def greedy(decoder: Decoder, prompt: Sequence[int], count: int) -> list[int]:
    """The `count` most probable tokens after the prompt, for one sequence alone."""
    cache = new_cache(decoder)
    tokens = list(prompt)
    done = 0
    while len(tokens) < len(prompt) + count:
        hidden = decoder(torch.tensor(tokens[done:]), [Segment(0, done, len(tokens) - done)], cache)
        done = len(tokens)
        tokens.append(int(decoder.logits(hidden[-1:]).argmax()))
    return tokens[len(prompt) :]


def greedy_by_transformers(model: PreTrainedModel, prompt: Sequence[int], count: int) -> list[int]:
    """The same by the `generate` of transformers."""
    ids = torch.tensor([prompt])
    output = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False, pad_token_id=0
    )
    return output[0, len(prompt) :].tolist()


def random_tokens(count: int, seed: int = 0, vocab_size: int = TINY["vocab_size"]) -> list[int]:
    return torch.randint(vocab_size, (count,), generator=torch.Generator().manual_seed(seed)).tolist()
