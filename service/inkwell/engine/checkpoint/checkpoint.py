"""Reads a checkpoint folder into a `Decoder` on its device: safetensors only, checked before any tensor is read.

Takes a folder, its `ModelConfig`, a device and a precision; raises `ModelCorrupt` for anything that is not exactly the
checkpoint that the config describes, and `LoadFailed` for files that it may not read. Does not know `config.json`, the
tokenizer or pickled weights.

Memory: a tensor is copied out of the mapped file and the file is unmapped again, because mapped pages that were read
count as resident. So loading needs the decoder plus one tensor. A mapping that is kept would also be dangerous: if the
file is truncated on disk later, the process is killed by SIGBUS.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from inkwell.checkpoints.model_config import ModelConfig
from inkwell.engine.checkpoint.layout import WeightMapping, weight_map
from inkwell.engine.checkpoint.precision import Precision
from inkwell.engine.checkpoint.weights import WeightTensors
from inkwell.engine.model.decoder import Decoder
from inkwell.engine.model.linear import choose_min_rows
from inkwell.engine.native.library import Kernels
from inkwell.errors import LoadFailed, ModelCorrupt

INDEX_BYTES_MAX = 16 << 20

_PREFIX = "transformer."
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors")
# causal masks in checkpoints written by transformers before 4.27; they are not weights
_OLD_BUFFER = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)")
_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_MAX_NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor as the header of its file describes it."""

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: str


def load_decoder(
    folder: Path,
    config: ModelConfig,
    device: torch.device | str,
    precision: Precision,
    kernels: Kernels | None = None,
    pad_rows: bool = True,
) -> Decoder:
    """The checkpoint in `folder` as a decoder on `device`; a native precision needs the `kernels`.

    `pad_rows`: find out which products torch must pad to keep their bits constant (linear.py).
    """
    stored = _read_headers(folder)
    mappings = weight_map(config)
    _check_tensors(stored, mappings, config)
    with torch.device("meta"):
        decoder = Decoder(config)
    if pad_rows and not precision.native:
        choose_min_rows(decoder, device, precision.matrices)  # first, while its test matrices are alone in memory
    tensors = WeightTensors(decoder, precision, device)
    # The largest first: its mapped pages are then added to an almost empty decoder.
    for mapping in sorted(mappings, key=lambda mapping: -prod(mapping.shape)):
        with _opened(stored[mapping.name].path) as file:
            tensors.fill(mapping, _read(file, stored[mapping.name], mapping))
    if config.tied_head and "lm_head.weight" in stored:
        _check_tied_head(stored["lm_head.weight"], stored["wte.weight"])
    tensors.assign_to(decoder)
    if precision.native:
        assert kernels is not None, "a native precision is chosen only if the kernels run here"
        decoder.use(kernels)
    return decoder.to(device).eval()  # moves the rotary table, which is in no file


def stored_dtype(folder: Path) -> str | None:
    """The type of the checkpoint's largest tensor ("float16"), or None for a type that is not supported."""
    largest = max(_read_headers(folder).values(), key=lambda stored: prod(stored.shape), default=None)
    dtype = _DTYPES.get(largest.dtype) if largest else None
    return None if dtype is None else str(dtype).removeprefix("torch.")


def _read_headers(folder: Path) -> dict[str, StoredTensor]:
    """Every tensor of the checkpoint by its name without the prefix; reads no tensor."""
    found: dict[str, StoredTensor] = {}
    for path in _weight_files(folder):
        with _opened(path) as file:
            for name in file.keys():
                part = file.get_slice(name)
                plain = name.removeprefix(_PREFIX)
                if plain in found:
                    raise ModelCorrupt("the checkpoint holds a tensor twice", cause=f"{plain} in {path}")
                if not _OLD_BUFFER.fullmatch(plain):
                    found[plain] = StoredTensor(path, name, tuple(part.get_shape()), part.get_dtype())
    return found


def _weight_files(folder: Path) -> list[Path]:
    single = folder / "model.safetensors"
    if single.exists():
        return [single]
    shards = sorted(set(_read_index(folder / "model.safetensors.index.json").values()))
    for shard in shards:
        # The index was downloaded: it must not point outside its folder.
        if not _PLAIN_NAME.fullmatch(shard):
            raise ModelCorrupt(
                "the checkpoint's index names a file that is not a plain *.safetensors", cause=ascii(shard)
            )
    return [folder / shard for shard in shards]


def _read_index(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            raw = file.read(INDEX_BYTES_MAX + 1)
        if len(raw) > INDEX_BYTES_MAX:
            raise ValueError(f"larger than {INDEX_BYTES_MAX} bytes")
        index: Any = json.loads(raw.decode("utf-8"))
        shards: dict[str, str] = index["weight_map"]
        if not shards or not all(isinstance(shard, str) for shard in shards.values()):
            raise ValueError("weight_map is not an object of file names")
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise ModelCorrupt("the checkpoint's index cannot be read", cause=f"{path}: {error!r}"[:500]) from error
    return shards


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file mapped and its header parsed; any error while it is open means that the checkpoint is corrupt."""
    try:
        if not path.is_file():  # a named pipe would block forever
            raise FileNotFoundError(path)
        if not os.access(path, os.R_OK, effective_ids=True):  # safetensors writes files that only their owner may read
            raise LoadFailed("the service's user may not read the model's weights", cause=str(path))
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelCorrupt("the checkpoint's weights cannot be read", cause=f"{path}: {error!r}"[:500]) from error


def _check_tensors(stored: dict[str, StoredTensor], mappings: Iterable[WeightMapping], config: ModelConfig) -> None:
    """Refuse a checkpoint whose names, shapes and types are not exactly those of the config."""
    shapes = {mapping.name: mapping.shape for mapping in mappings}
    missing = sorted(shapes.keys() - stored.keys())
    if config.tied_head:
        shapes["lm_head.weight"] = shapes["wte.weight"]  # allowed but not needed
    extra = sorted(stored.keys() - shapes.keys())
    known = [stored[name] for name in sorted(stored.keys() & shapes.keys())]
    misshaped = [
        f"{item.name} {list(item.shape)} instead of {list(shapes[item.name.removeprefix(_PREFIX)])}"
        for item in known
        if item.shape != shapes[item.name.removeprefix(_PREFIX)]
    ]
    mistyped = [f"{item.name} {item.dtype}" for item in known if item.dtype not in _DTYPES]
    troubles = {"missing": missing, "not expected": extra, "of another shape": misshaped, "not floats": mistyped}
    if any(troubles.values()):
        counts = ", ".join(f"{len(names)} {trouble}" for trouble, names in troubles.items() if names)
        first = [ascii(name) for names in troubles.values() for name in names][:_MAX_NAMES_SHOWN]
        raise ModelCorrupt(f"the checkpoint does not fit its config.json: tensors {counts}", cause="; ".join(first))


def _read(file: Any, stored: StoredTensor, mapping: WeightMapping) -> Tensor:
    source: Tensor = file.get_tensor(stored.name)
    if tuple(source.shape) != mapping.shape:
        raise ValueError(f"{stored.name} changed while it was loaded")
    return source.T if mapping.transposed else source


def _check_tied_head(head: StoredTensor, embedding: StoredTensor) -> None:
    """Refuse a stored copy of a tied head that differs from the embedding: it is unknown which of the two is meant."""
    with _opened(head.path) as head_file, _opened(embedding.path) as embedding_file:
        copy, original = head_file.get_slice(head.name), embedding_file.get_slice(embedding.name)
        for begin in range(0, embedding.shape[0], 4096):  # in blocks, which limits the memory of the float copies
            if not torch.equal(copy[begin : begin + 4096].float(), original[begin : begin + 4096].float()):
                raise ModelCorrupt("config.json ties the head to the embedding, but the checkpoint holds two matrices")
