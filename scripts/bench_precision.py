"""Measure the quality loss of each number format: `python -m scripts.bench_precision MODEL TEXT`.

Prints the bits per byte of the held-out stories of a text (split as in `train_demo.py`) under the native kernels; lower
is better. The text is cut into windows of the model's context; the first token of each is not scored.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch.nn import functional as F

from inkwell.checkpoints.model_config import read_config
from inkwell.engine.checkpoint.checkpoint import load_decoder
from inkwell.engine.checkpoint.precision import resolve_precision
from inkwell.engine.model.batch import Segment
from inkwell.engine.model.decoder import Decoder
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.native.library import Kernels, open_kernels
from scripts.train_demo import split_stories

FORMATS = ("float32", "bfloat16", "int8", "int4")


def bits(decoder: Decoder, cache: KVCache, windows: Iterator[list[int]]) -> float:
    """Return the sum of -log2 p over all tokens except the first of each window."""
    total = 0.0
    for window in windows:
        hidden = decoder(torch.tensor(window[:-1]), [Segment(0, 0, len(window) - 1)], cache)
        total += F.cross_entropy(decoder.logits(hidden), torch.tensor(window[1:]), reduction="sum").item()
    return total / math.log(2)


def measure(folder: Path, name: str, kernels: Kernels, ids: list[int], size_bytes: int) -> float:
    """Return the bits per byte of the tokens `ids`, which encode `size_bytes` bytes of text."""
    config = read_config(folder)
    precision = resolve_precision(name, None, "cpu", kernels=True)
    decoder = load_decoder(folder, config, "cpu", precision, kernels)
    windows = (ids[start : start + config.context] for start in range(0, len(ids) - 1, config.context - 1))
    return bits(decoder, KVCache(config, 1, "cpu", precision.cache), windows) / size_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description="Bits per byte of held-out text for each number format.")
    parser.add_argument("model", type=Path, help="checkpoint folder, with its tokenizer")
    parser.add_argument("text", type=Path, help="text file of stories separated by <|endoftext|>")
    options = parser.parse_args()
    kernels = open_kernels(torch.get_num_threads())
    if kernels is None:
        parser.exit(2, "native kernels are required: run make, on a CPU with AVX2\n")
    _, held_out = split_stories(options.text.read_text())
    text = "\n\n".join(held_out)
    ids = Tokenizer.from_file(str(options.model / "tokenizer.json")).encode(text).ids
    for name in FORMATS:
        print(f"{name:10} {measure(options.model, name, kernels, ids, len(text.encode())):.4f} bits per byte")


if __name__ == "__main__":
    main()
