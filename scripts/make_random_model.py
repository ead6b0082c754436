"""Create a checkpoint of a published shape with random weights: `make_random_model.py --shape 124M --out DIR`.

For tests of everything except the text: loading, memory, speed. Creates a folder that the service can serve
(config.json, safetensors, tokenizer.json). Tensors are generated and written in chunks, so that even gpt-j-6B only
needs a few hundred megabytes of memory. Knows no hub.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# Run as a script, Python only searches the folder of that script.
sys.path[:0] = [str(PROJECT_ROOT), str(PROJECT_ROOT / "service")]

import torch  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers  # noqa: E402

from inkwell.checkpoints.model_config import parse_config  # noqa: E402
from inkwell.checkpoints.tokenizer import END_OF_TEXT  # noqa: E402
from inkwell.engine.checkpoint.layout import WeightMapping, weight_map  # noqa: E402

DEMO_TOKENIZER = PROJECT_ROOT / "models" / "demo" / "tokenizer.json"
STANDARD_DEVIATION = 0.02  # the initialisation of both families; larger values overflow float16 after some layers
VALUES_PER_WRITE = 1 << 24

_GPT2 = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_positions": 1024, "vocab_size": 50257}
_GPTJ = {"model_type": "gptj", "architectures": ["GPTJForCausalLM"], "n_positions": 2048, "vocab_size": 50400}
SHAPES: dict[str, dict[str, Any]] = {
    "124M": {**_GPT2, "n_embd": 768, "n_layer": 12, "n_head": 12},
    "355M": {**_GPT2, "n_embd": 1024, "n_layer": 24, "n_head": 16},
    "774M": {**_GPT2, "n_embd": 1280, "n_layer": 36, "n_head": 20},
    "1558M": {**_GPT2, "n_embd": 1600, "n_layer": 48, "n_head": 25},
    "gpt-j-6B": {**_GPTJ, "n_embd": 4096, "n_layer": 28, "n_head": 16, "rotary_dim": 64},
    "tiny": {**_GPT2, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, "vocab_size": 300},
    "tiny-gptj": {
        **_GPTJ, "n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4, "n_positions": 128, "vocab_size": 300,
    },
}  # fmt: skip
DTYPES = {"float32": (torch.float32, "F32"), "float16": (torch.float16, "F16"), "bfloat16": (torch.bfloat16, "BF16")}


@dataclass(frozen=True, slots=True)
class RandomModelSpec:
    """The checkpoint to write, and its folder."""

    out: Path
    config: dict[str, Any]
    dtype: str = "float32"
    seed: int = 0
    shards: int = 1


def make(spec: RandomModelSpec) -> None:
    """Write the folder; config.json comes last, so that an incomplete folder is never served."""
    spec.out.mkdir(parents=True, exist_ok=True)
    config = {"activation_function": "gelu_new", **spec.config, "dtype": spec.dtype}
    end = _write_tokenizer(spec.out / "tokenizer.json", config["vocab_size"])
    config |= {"bos_token_id": end, "eos_token_id": end, "pad_token_id": None}
    tensors = weight_map(parse_config(config))
    generator = torch.Generator().manual_seed(spec.seed)
    if spec.shards == 1:
        _write_weights(spec.out / "model.safetensors", tensors, spec.dtype, generator)
    else:
        _write_shards(spec, tensors, generator)
    (spec.out / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _write_shards(spec: RandomModelSpec, tensors: Sequence[WeightMapping], generator: torch.Generator) -> None:
    shard_of: dict[str, str] = {}
    for number, part in enumerate(_parts(tensors, spec.shards), start=1):
        name = f"model-{number:05}-of-{spec.shards:05}.safetensors"
        _write_weights(spec.out / name, part, spec.dtype, generator)
        shard_of |= {_full_name(tensor): name for tensor in part}
    bytes_each = DTYPES[spec.dtype][0].itemsize
    index = {
        "metadata": {"total_size": sum(prod(tensor.shape) for tensor in tensors) * bytes_each},
        "weight_map": shard_of,
    }
    (spec.out / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def _parts(tensors: Sequence[WeightMapping], count: int) -> list[list[WeightMapping]]:
    """Split the tensors into consecutive groups of about the same size."""
    total = sum(prod(tensor.shape) for tensor in tensors)
    parts: list[list[WeightMapping]] = [[] for _ in range(count)]
    before = 0
    for tensor in tensors:
        parts[min(count - 1, before * count // total)].append(tensor)
        before += prod(tensor.shape)
    return parts


def _write_weights(path: Path, tensors: Sequence[WeightMapping], dtype: str, generator: torch.Generator) -> None:
    """Write a safetensors file: eight bytes of header length, a JSON header, the tensors back to back."""
    torch_dtype, code = DTYPES[dtype]
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        end = offset + prod(tensor.shape) * torch_dtype.itemsize
        header[_full_name(tensor)] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)  # the format requires aligned data
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        for tensor in tensors:
            _write_tensor(file, tensor, torch_dtype, generator)


def _write_tensor(file: BinaryIO, tensor: WeightMapping, dtype: torch.dtype, generator: torch.Generator) -> None:
    for values in _draw(tensor, generator):
        file.write(values.to(dtype).view(torch.uint8).numpy().data)


def _draw(tensor: WeightMapping, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Yield the tensor's values in flat float32 chunks: ones for norm weights, zeros for biases, the rest random."""
    left = prod(tensor.shape)
    while left:
        count = min(left, VALUES_PER_WRITE)
        left -= count
        if tensor.name.endswith("bias"):
            yield torch.zeros(count)
        elif len(tensor.shape) == 1:
            yield torch.ones(count)
        else:
            yield torch.empty(count).normal_(0.0, STANDARD_DEVIATION, generator=generator)


def _full_name(tensor: WeightMapping) -> str:
    return tensor.name if tensor.name.startswith("lm_head.") else f"transformer.{tensor.name}"


def _write_tokenizer(path: Path, vocab_size: int) -> int:
    """Copy the demo's tokenizer if it fits, else write one token per byte; return the id of the end-of-text token."""
    if DEMO_TOKENIZER.is_file() and Tokenizer.from_file(str(DEMO_TOKENIZER)).get_vocab_size() <= vocab_size:
        shutil.copyfile(DEMO_TOKENIZER, path)
    else:
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens([END_OF_TEXT])
        tokenizer.save(str(path))
    end_of_text: int | None = Tokenizer.from_file(str(path)).token_to_id(END_OF_TEXT)
    assert end_of_text is not None, "both tokenizers define the end-of-text token"
    return end_of_text


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Write a checkpoint with random weights.")
    parser.add_argument("--shape", choices=SHAPES, required=True, help="model whose shape to use")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write, e.g. models/random")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="number format of the weights (float32)")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the weights (0)")
    parser.add_argument("--shards", type=int, default=1, help="number of weight files (1)")
    options = parser.parse_args(arguments)
    if not 1 <= options.shards <= 100:
        parser.error("--shards must be from 1 to 100")
    make(RandomModelSpec(options.out, SHAPES[options.shape], options.dtype, options.seed, options.shards))


if __name__ == "__main__":
    main()
