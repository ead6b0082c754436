"""Whether a folder is a whole checkpoint: config, tokenizer and every weight file's header, without reading weights.

Takes a folder, returns or raises an `InkwellError`. It judges by the service's own readers, so what passes here is
what the service will open; shapes are compared with the config when the model is loaded.
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
    """Raise unless `folder` holds everything that serving needs, each part readable."""
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
    """The small files alone; worth a look before gigabytes follow."""
    read_config(folder)
    load_tokenizer(folder)


def _weight_map(index: Path) -> dict[str, str]:
    try:
        if index.stat().st_size > INDEX_BYTES_MAX:
            raise ModelCorrupt(f"{index.name} is larger than {INDEX_BYTES_MAX:,} bytes")
        weight_map: dict[str, str] = json.loads(index.read_text("utf-8"))["weight_map"]
        if not weight_map or not all(SAFE_SHARD.fullmatch(shard) for shard in weight_map.values()):
            raise ModelCorrupt(f"{index.name} names files that are no shards")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelCorrupt(f"{index.name} cannot be read", cause=repr(error)) from error
    return weight_map


def _tensor_names(path: Path) -> frozenset[str]:
    """Opening looks at the whole header: its length, every offset, and the file's end."""
    try:
        with safe_open(path, framework="numpy") as file:
            return frozenset(file.keys())
    except (OSError, SafetensorError) as error:
        raise ModelCorrupt(f"{path.name} is no readable safetensors file", cause=repr(error)) from error
