"""Convert pickled PyTorch weights to safetensors: `conversion.py FOLDER` (pytorch_model.bin, one file or shards).

A pickle can execute code, so it is only read by torch's restricted loader (weights_only), in a separate process; no
other part of the project opens one. Weights are memory-mapped, so memory holds about one shard. Output files appear
complete or not at all, the index last. Knows nothing of the service; the last line on stderr is the reason of a
failure.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

WHOLE = "pytorch_model.bin"
INDEX = "pytorch_model.bin.index.json"
SHARD = re.compile(r"pytorch_model-[0-9]{1,6}-of-[0-9]{1,6}\.bin")
# Constants of the architecture that old versions of transformers stored along with the weights.
CAUSAL_MASK = re.compile(r"(.*\.)?h\.[0-9]+\.attn\.(masked_)?bias")
SHARD_BYTES = 4_000_000_000
STAGING = ".converting-"
STALE_S = 86_400.0


class ConversionRefused(Exception):
    """The files contain something other than plain weights; nothing was converted."""


def convert(folder: Path, shard_bytes: int = SHARD_BYTES) -> list[str]:
    """Write safetensors next to the pickled weights of `folder`; return the names of the new files."""
    _remove_stale(folder)
    tensors = _without_tied_head(_load(folder))
    groups = _groups(tensors, shard_bytes)
    names = _names(len(groups))
    with tempfile.TemporaryDirectory(prefix=STAGING, dir=folder) as path:
        staging = Path(path)
        for name, group in zip(names, groups, strict=True):
            _save({key: tensors[key] for key in group}, staging / name)
        if len(names) > 1:
            names.append("model.safetensors.index.json")  # published last: it makes the checkpoint complete
            _save_index(dict(zip(names, groups, strict=False)), tensors, staging / names[-1])
        for name in names:
            os.replace(staging / name, folder / name)
    _sync(folder)
    return names


def _load(folder: Path) -> dict[str, Tensor]:
    """Return all weights by name, memory-mapped; constants stored with the weights are left out."""
    if (folder / WHOLE).exists():
        tensors = _read(folder / WHOLE)
    else:
        tensors = {}
        weight_map = _weight_map(folder / INDEX)
        for shard in sorted(set(weight_map.values())):
            held = _read(folder / shard)
            wanted = [name for name, place in weight_map.items() if place == shard]
            missing = [name for name in wanted if name not in held]
            if missing:
                raise ConversionRefused(f"{shard} lacks {len(missing)} tensors of the index, among them {missing[0]}")
            tensors.update((name, held[name]) for name in wanted)
    weights = {name: tensor for name, tensor in tensors.items() if not CAUSAL_MASK.fullmatch(name)}
    if not weights:
        raise ConversionRefused("it contains no weights")
    return weights


def _weight_map(index: Path) -> dict[str, str]:
    try:
        weight_map: dict[str, str] = json.loads(index.read_text("utf-8"))["weight_map"]
        places = set(weight_map.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConversionRefused(f"{index.name} cannot be read ({error!r})") from error
    for place in places:
        if not isinstance(place, str) or not SHARD.fullmatch(place):
            raise ConversionRefused(f"{index.name} names {str(place)[:60]!r}, which is not a shard of this folder")
    return weight_map


def _read(path: Path) -> dict[str, Tensor]:
    """Read a file that must contain a state dict and nothing else."""
    try:
        # Only the zip format of torch >= 1.6 can be memory-mapped; older files are read into memory.
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except FileNotFoundError as error:
        raise ConversionRefused(f"{path.name} is missing") from error
    except Exception as error:  # a malicious or damaged file can cause any exception
        named = re.search(r"GLOBAL\s+`?([\w.]+)", str(error))
        found = f" (it asks for {named.group(1)})" if named else ""
        raise ConversionRefused(f"{path.name} is damaged or contains code{found}; it was not run") from error
    if not isinstance(state, dict):
        raise ConversionRefused(f"{path.name} contains a {type(state).__name__} instead of named tensors")
    for name, value in state.items():
        _require_plain(path.name, name, value)
    return state


def _require_plain(file: str, name: Any, value: Any) -> None:
    if not isinstance(name, str) or not isinstance(value, Tensor):
        raise ConversionRefused(f"{file} contains something other than a tensor under {str(name)[:60]!r}")
    if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
        raise ConversionRefused(f"{file}: {name[:60]!r} is not a plain tensor")
    if value.numel() * value.itemsize > value.untyped_storage().nbytes():
        # With a stride of zero, a small file can declare a tensor of terabytes, which would be written out in full.
        raise ConversionRefused(f"{file}: {name[:60]!r} is larger than its data")


def _without_tied_head(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop the head if it shares the embedding table's memory: safetensors stores a tensor once."""
    head = tensors.get("lm_head.weight")
    table = tensors.get("transformer.wte.weight", tensors.get("wte.weight"))
    if head is None or table is None or not _same(head, table):
        return tensors
    return {name: tensor for name, tensor in tensors.items() if name != "lm_head.weight"}


def _same(one: Tensor, other: Tensor) -> bool:
    return one.data_ptr() == other.data_ptr() and one.shape == other.shape and one.stride() == other.stride()


def _groups(tensors: dict[str, Tensor], shard_bytes: int) -> list[list[str]]:
    """Names in order, cut where a shard would grow beyond `shard_bytes`."""
    groups: list[list[str]] = []
    room_bytes = 0
    for name, tensor in tensors.items():
        size_bytes = tensor.numel() * tensor.itemsize
        if not groups or size_bytes > room_bytes:
            groups.append([])
            room_bytes = shard_bytes
        groups[-1].append(name)
        room_bytes -= size_bytes
    return groups


def _names(count: int) -> list[str]:
    if count == 1:
        return ["model.safetensors"]
    return [f"model-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    seen: set[int] = set()
    own: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage()
        whole = tensor.is_contiguous() and storage.nbytes() == tensor.numel() * tensor.itemsize
        copied = not whole or storage.data_ptr() in seen  # safetensors requires tensors that own their whole storage
        seen.add(storage.data_ptr())
        own[name] = tensor.detach().clone(memory_format=torch.contiguous_format) if copied else tensor.detach()
    try:
        save_file(own, path, metadata={"format": "pt"})
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise ConversionRefused(f"safetensors cannot store it ({error})") from error
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)  # safetensors writes 0600 files, and the service may run as another user
    _sync(path)


def _save_index(groups: dict[str, list[str]], tensors: dict[str, Tensor], path: Path) -> None:
    weight_map = {name: shard for shard, names in groups.items() for name in names}
    total_bytes = sum(tensor.numel() * tensor.itemsize for tensor in tensors.values())
    index = {"metadata": {"total_size": total_bytes}, "weight_map": weight_map}
    path.write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", "utf-8")
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale(folder: Path) -> None:
    """Remove what killed conversions left; younger folders may belong to a running one."""
    for path in folder.glob(f"{STAGING}*"):
        if time.time() - path.stat().st_mtime > STALE_S:
            shutil.rmtree(path, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Convert pytorch_model.bin in FOLDER to safetensors.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--shard-bytes", type=int, default=SHARD_BYTES, help="maximum size of a file")
    arguments = parser.parse_args()
    try:
        print("wrote", *convert(arguments.folder, arguments.shard_bytes))
    except (ConversionRefused, OSError, MemoryError) as error:
        sys.exit(str(error) or type(error).__name__)


if __name__ == "__main__":
    main()
