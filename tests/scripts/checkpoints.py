"""Small checkpoints as repository files, and runs of the real script as a process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy
from safetensors.numpy import save
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

PROJECT_ROOT = Path(__file__).resolve().parents[2]
SCRIPT = PROJECT_ROOT / "scripts" / "download_model.py"
CONFIG = {"model_type": "gpt2", "n_embd": 64, "n_layer": 1, "n_head": 2, "n_positions": 64, "vocab_size": 300}


def tiny_files(values: int = 100_000) -> dict[str, bytes]:
    """A repository with a checkpoint of `values` float32 numbers, and with many unneeded files."""
    return text_files() | {
        "model.safetensors": weights(0, values),
        "pytorch_model.bin": b"never fetched where safetensors are",
        "tf_model.h5": b"tensorflow",
        "modeling_evil.py": b"raise SystemExit",
        "onnx/model.safetensors": b"onnx",
        ".gitattributes": b"*.bin filter=lfs",
    }


def text_files() -> dict[str, bytes]:
    return {
        "README.md": b"# tiny\n",
        "config.json": json.dumps(CONFIG).encode(),
        "generation_config.json": b"{}",
        "tokenizer.json": _tokenizer(),
    }


def weights(seed: int, values: int) -> bytes:
    generator = numpy.random.default_rng(seed)
    return save({f"part{seed}": generator.standard_normal(values, dtype=numpy.float32)})


def sharded_files() -> dict[str, bytes]:
    """The same in two shards with an index."""
    names = {f"model-0000{number}-of-00002.safetensors": number for number in (1, 2)}
    index = {"metadata": {}, "weight_map": {f"part{number}": name for name, number in names.items()}}
    shards = {name: weights(number, 500) for name, number in names.items()}
    return text_files() | shards | {"model.safetensors.index.json": json.dumps(index).encode()}


@cache
def _tokenizer() -> bytes:
    tokenizer = Tokenizer(
        models.BPE(vocab={c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer.to_str().encode()


def environment(endpoint: str, home: Path, **more: str) -> dict[str, str]:
    """The client's environment in a test: the imitation hub, its own home, short timeouts, no proxy."""
    fixed = {
        "PATH": os.defpath,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "2",
        "NO_PROXY": "*",
    }
    return fixed | more


def command(models_dir: Path, *arguments: str) -> list[str]:
    return [sys.executable, str(SCRIPT), "--models-dir", str(models_dir), *arguments]


def run(
    arguments: list[str], env: Mapping[str, str], prepare: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the script to its end, from a directory outside the project."""
    return subprocess.run(
        arguments, env=env, cwd="/", capture_output=True, text=True, timeout=120, check=False, preexec_fn=prepare
    )
