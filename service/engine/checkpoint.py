"""From a checkpoint folder to a `Decoder` on its device: safetensors alone, checked before a tensor is read.

Takes a folder, its `ModelConfig`, a device and a dtype; raises `ModelCorrupt` for anything that is not exactly the
checkpoint that the config promises. Does not know `config.json`, the tokenizer or pickled weights.

Memory: a tensor is copied out of the mapped file and the file unmapped again, because mapped pages that were read
count as resident. So a load needs the decoder plus one tensor. A kept mapping would also be a trap: a file that is
truncated on disk later would kill the process with SIGBUS.
"""

import json
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

from service.engine.decoder import Decoder
from service.engine.layout import Piece, pieces
from service.engine.linear import steady_rows
from service.errors import ModelCorrupt
from service.model_config import ModelConfig

INDEX_BYTES_MAX = 16 << 20

_PREFIX = "transformer."
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors")
# causal masks that checkpoints of transformers before 4.27 carry; they are no weights
_OLD_BUFFER = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)")
_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Stored:
    """What a file's header says about one tensor."""

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: str


def load_decoder(folder: Path, config: ModelConfig, device: torch.device | str, dtype: torch.dtype) -> Decoder:
    """The checkpoint in `folder` as a decoder on `device` with weights of `dtype`."""
    stored = _read_headers(folder)
    wanted = pieces(config)
    _compare(stored, wanted, config)
    with torch.device("meta"):
        decoder = Decoder(config)
    steady_rows(decoder, device, dtype)  # first, while its trial matrices are all there is in memory
    weights = {
        name: torch.empty(parameter.shape, dtype=dtype, device=device) for name, parameter in decoder.named_parameters()
    }
    # Largest first: its mapped pages come on top of an almost empty decoder.
    for piece in sorted(wanted, key=lambda piece: -prod(piece.shape)):
        _copy(stored[piece.name], piece, weights[piece.target])
    if config.tied_head and "lm_head.weight" in stored:
        _insist_on_tie(stored["lm_head.weight"], weights["embedding"])
    decoder.load_state_dict(weights, assign=True, strict=False)  # a tied head is no parameter of its own
    decoder.tie_head()
    assert not any(parameter.is_meta for parameter in decoder.parameters()), "a parameter that no piece fills"
    return decoder.to(device).eval()  # moves the rotary table, which no file holds


def stored_dtype(folder: Path) -> str | None:
    """What the checkpoint's largest tensor is stored as ("float16"), or None for a type that is not served."""
    largest = max(_read_headers(folder).values(), key=lambda stored: prod(stored.shape), default=None)
    dtype = _DTYPES.get(largest.dtype) if largest else None
    return None if dtype is None else str(dtype).removeprefix("torch.")


def resolve_dtype(
    config: ModelConfig, header_dtype: str | None, device: torch.device | str, wanted: str
) -> torch.dtype:
    """The dtype to compute in: the one asked for, or for "auto" the smallest that this device is fast with."""
    if wanted != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[wanted]
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    # A 16-bit checkpoint in float32 would take twice its size in memory without gaining a digit.
    stored_in_16_bit = (header_dtype or config.stored_dtype) in ("float16", "bfloat16")
    return torch.bfloat16 if stored_in_16_bit or _cpu_has_bfloat16() else torch.float32


def _cpu_has_bfloat16() -> bool:
    # private in torch 2.13, hence the guard; without the instructions bfloat16 is emulated and slower than float32
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)


def _read_headers(folder: Path) -> dict[str, Stored]:
    """Every tensor of the checkpoint by its name without the prefix; no tensor is read."""
    found: dict[str, Stored] = {}
    for path in _weight_files(folder):
        with _opened(path) as file:
            for name in file.keys():
                part = file.get_slice(name)
                plain = name.removeprefix(_PREFIX)
                if plain in found:
                    raise ModelCorrupt("the checkpoint holds a tensor twice", cause=f"{plain} in {path}")
                if not _OLD_BUFFER.fullmatch(plain):
                    found[plain] = Stored(path, name, tuple(part.get_shape()), part.get_dtype())
    return found


def _weight_files(folder: Path) -> list[Path]:
    single = folder / "model.safetensors"
    if single.exists():
        return [single]
    shards = sorted(set(_read_index(folder / "model.safetensors.index.json").values()))
    for shard in shards:
        # The index is part of a downloaded folder: it must not lead out of it.
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
        weight_map = index["weight_map"]
        if not weight_map or not all(isinstance(shard, str) for shard in weight_map.values()):
            raise ValueError("weight_map is not an object of file names")
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise ModelCorrupt("the checkpoint's index cannot be read", cause=f"{path}: {error!r}"[:500]) from error
    return weight_map


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file mapped and its header parsed; whatever goes wrong inside is the checkpoint's fault."""
    try:
        if not path.is_file():  # a named pipe would block for ever
            raise FileNotFoundError(path)
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelCorrupt("the checkpoint's weights cannot be read", cause=f"{path}: {error!r}"[:500]) from error


def _compare(stored: dict[str, Stored], wanted: Iterable[Piece], config: ModelConfig) -> None:
    """Refuse a checkpoint whose names, shapes and types are not exactly the config's."""
    shapes = {piece.name: piece.shape for piece in wanted}
    missing = sorted(shapes.keys() - stored.keys())
    if config.tied_head:
        shapes["lm_head.weight"] = shapes["wte.weight"]  # allowed, not needed
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
        first = [ascii(name) for names in troubles.values() for name in names][:_NAMES_SHOWN]
        raise ModelCorrupt(f"the checkpoint does not fit its config.json: tensors {counts}", cause="; ".join(first))


def _copy(stored: Stored, piece: Piece, target: Tensor) -> None:
    """Copy one tensor into its place, in the target's dtype and on its device."""
    if piece.third is not None:
        target = target.chunk(3)[piece.third]
    with _opened(stored.path) as file:
        source = file.get_tensor(stored.name)
        if tuple(source.shape) != piece.shape:
            raise ValueError(f"{stored.name} changed while it was loaded")
        target.copy_(source.T if piece.transposed else source)


def _insist_on_tie(stored: Stored, embedding: Tensor) -> None:
    """A separate copy of a tied head must be the same matrix, else one of the two was meant and we cannot say which."""
    with _opened(stored.path) as file:
        head = file.get_slice(stored.name)
        for begin in range(0, len(embedding), 4096):  # in blocks: a copy in another dtype is not for free
            rows = embedding[begin : begin + 4096]
            if not torch.equal(head[begin : begin + 4096].to(rows), rows):
                raise ModelCorrupt("config.json ties the head to the embedding, but the checkpoint holds two matrices")
