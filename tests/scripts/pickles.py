"""Checkpoints with pickled weights as saved by old versions, and a pickle that executes code."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, GPTJConfig, GPTJForCausalLM, PreTrainedModel

from tests.scripts.checkpoints import text_files

SMALL: dict[str, Any] = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32, "vocab_size": 300}
Builder = Callable[[], PreTrainedModel]


def gpt2() -> PreTrainedModel:
    return GPT2LMHeadModel(GPT2Config(**SMALL)).eval()


def gptj() -> PreTrainedModel:
    return GPTJForCausalLM(GPTJConfig(**SMALL, rotary_dim=4)).eval()


def old_state(model: PreTrainedModel) -> dict[str, Tensor]:
    """The weights as saved by old versions, including each layer's causal mask."""
    state = dict(model.state_dict())
    for layer in range(SMALL["n_layer"]):
        state[f"transformer.h.{layer}.attn.bias"] = torch.ones(1, 1, 32, 32, dtype=torch.uint8).tril()
        state[f"transformer.h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    return state


def save_sharded(state: dict[str, Tensor], folder: Path, count: int = 3) -> None:
    """`pytorch_model-0000N-of-0000M.bin` and their index, as transformers wrote them."""
    weight_map = {}
    names = list(state)
    for number in range(count):
        shard = f"pytorch_model-{number + 1:05d}-of-{count:05d}.bin"
        torch.save({name: state[name] for name in names[number::count]}, folder / shard)
        weight_map.update(dict.fromkeys(names[number::count], shard))
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def save_checkpoint(model: PreTrainedModel, folder: Path) -> None:
    """Write a folder with pickled weights as saved by old versions."""
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes(text_files()["tokenizer.json"])
    torch.save(old_state(model), folder / "pytorch_model.bin")


class Program:
    """A pickle that runs a command if it is loaded without restrictions."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.mark}",)
