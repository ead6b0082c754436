"""Verifies that a folder is a complete checkpoint: config, tokenizer and weight file headers, without reading weights.

Takes a folder; returns, or raises an `InkwellError`. It uses the service's own readers, so the service can open a
folder that passes; tensor shapes are only compared with the config when the model is loaded.
"""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from inkwell.checkpoints.model_config import read_config
from inkwell.checkpoints.tokenizer import load_tokenizer
from inkwell.errors import ModelCorrupt
from scripts.repository import SAFE_SHARD

INDEX_BYTES_MAX = 16 << 20


def check_checkpoint(folder: Path) -> None:
    """Raise unless `folder` contains all files needed for serving, and all of them are readable."""
    check_small_files(folder)
    if (folder / "model.safetensors").exists():
        _tensor_names(folder / "model.safetensors")
        return
    weight_map = _weight_map(folder / "model.safetensors.index.json")
    names = {shard: _tensor_names(folder / shard) for shard in set(weight_map.values())}
    missing = sorted(name for name, shard in weight_map.items() if name not in names[shard])
    if missing:
        raise ModelCorrupt(f"{len(missing)} tensors of the index are in no shard, among them {', '.join(missing[:5])}")


def check_small_files(folder: Path) -> None:
    """Check only the small files, before gigabytes of weights are downloaded."""
    read_config(folder)
    load_tokenizer(folder)


def _weight_map(index: Path) -> dict[str, str]:
    try:
        if index.stat().st_size > INDEX_BYTES_MAX:
            raise ModelCorrupt(f"{index.name} is larger than {INDEX_BYTES_MAX:,} bytes")
        weight_map: dict[str, str] = json.loads(index.read_text("utf-8"))["weight_map"]
        if not weight_map or not all(SAFE_SHARD.fullmatch(shard) for shard in weight_map.values()):
            raise ModelCorrupt(f"{index.name} names files that are not shards")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelCorrupt(f"{index.name} cannot be read", cause=repr(error)) from error
    return weight_map


def _tensor_names(path: Path) -> frozenset[str]:
    """Return the tensor names; opening the file validates the header's length, all offsets and the file size."""
    try:
        with safe_open(path, framework="numpy") as file:
            return frozenset(file.keys())
    except (OSError, SafetensorError) as error:
        raise ModelCorrupt(f"{path.name} is not a readable safetensors file", cause=repr(error)) from error
