"""Spreads a model that is too large for one device over several GPUs, or over GPUs and the CPU.

Takes a decoder on the CPU, moves each block to a device, and returns the devices that each layer's cache must be on.
`accelerate` makes the plan, and its hooks move hidden states from device to device. A block is computed on its own
device, even on the CPU: copying its weights to a GPU for every token would be limited by the bus, which is slower than
memory. Importing `accelerate` takes a quarter of a second, so only workers that spread a model import this module.
Never run on a GPU so far: docs/decisions/0011-cuda.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from accelerate import infer_auto_device_map
from accelerate.hooks import AlignDevicesHook, add_hook_to_module
from accelerate.utils import get_max_memory
from torch import nn

from inkwell.checkpoints.model_config import ModelConfig
from inkwell.engine.model.decoder import Decoder
from inkwell.errors import LoadFailed

_USABLE = 0.9  # of a GPU's free memory; the rest is for activations and libraries
_BLOCKS = ["Gpt2Block", "GptjBlock"]


@dataclass(frozen=True, slots=True)
class Placement:
    """A device for each part of a decoder."""

    home: torch.device  # of the embedding, positions and angles, and of a tied head
    blocks: tuple[torch.device, ...]
    norm: torch.device
    head: torch.device


def place(decoder: Decoder, max_memory: str, slots: int, dtype: torch.dtype) -> tuple[torch.device, ...]:
    """Plan and spread; returns the device of each block, which its layer of the cache must be on too.

    `max_memory` is accelerate's argument in one line, such as "0=20GiB,cpu=64GiB", or empty. Raises LoadFailed when it
    is malformed or too low.
    """
    placement = planned(decoder.config, _memory(max_memory), slots, dtype)
    spread(decoder, placement)
    return placement.blocks


def planned(config: ModelConfig, memory: Mapping[int | str, int], slots: int, dtype: torch.dtype) -> Placement:
    """Fill the devices in order, each block together with its share of a cache of `slots` slots."""
    with torch.device("meta"):
        shapes = Decoder(config)
        for block in shapes.blocks:
            past = torch.empty(2, slots, config.heads, config.context, config.head_dim)
            block.register_buffer("past", past)  # only its size matters
    found = infer_auto_device_map(shapes, dict(memory), _BLOCKS, dtype=dtype, clean_result=False, offload_buffers=True)
    home = _device(found, "embedding")
    blocks = tuple(_device(found, f"blocks.{layer}") for layer in range(config.layers))
    return Placement(home, blocks, _device(found, "norm"), home if config.tied_head else _device(found, "head"))


def spread(decoder: Decoder, placement: Placement) -> None:
    """Move every part to its device, and let hooks move its inputs there."""
    home = placement.home
    decoder.embedding = nn.Parameter(decoder.embedding.to(home), requires_grad=False)
    if decoder.positions is not None:
        decoder.positions = nn.Parameter(decoder.positions.to(home), requires_grad=False)
    if decoder.rotary is not None:
        decoder.rotary.to(home)
    parts = (*zip(decoder.blocks, placement.blocks, strict=True), (decoder.norm, placement.norm))
    for module, device in (*parts, (decoder.head, placement.head)):
        add_hook_to_module(module, AlignDevicesHook(device, place_submodules=True))
    decoder.tie_head()  # moving duplicated the shared tensor


def _memory(limits: str) -> dict[int | str, int]:
    """Bytes that may be used on each device; without limits, nearly all that is free."""
    if not limits:
        free = get_max_memory()
        return {name: size if name == "cpu" else int(_USABLE * size) for name, size in free.items()}
    pairs = [limit.strip().partition("=") for limit in limits.split(",")]
    sizes = {name.strip(): size.strip() for name, _, size in pairs}
    memory = {int(name) if name.isdecimal() else name: size for name, size in sizes.items()}
    known = [*range(torch.cuda.device_count()), "cpu"]
    if not memory.keys() <= set(known):
        raise LoadFailed(f"the memory limits {limits!r} name devices that this machine does not have; it has {known}")
    try:
        usable: dict[int | str, int] = get_max_memory(memory)
    except ValueError as error:
        raise LoadFailed(f"the memory limits {limits!r} contain an invalid size", cause=str(error)) from error
    return usable


def _device(found: Mapping[str, int | str], name: str) -> torch.device:
    """The device of a part, which the plan may list under a module that contains it."""
    while name not in found:
        name = name.rpartition(".")[0]
    device = found[name]
    if device == "disk":
        raise LoadFailed("the model does not fit into the memory of its devices together")
    return torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
