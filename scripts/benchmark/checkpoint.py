"""The checkpoint that all targets of a run load: random weights of a published shape, or an existing folder.

Its config names no end-of-text token, so that every request generates exactly the requested number of tokens in every
target, without target-specific options. Folders are kept and reused.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inkwell.checkpoints.model_config import ModelConfig, read_config
from scripts.benchmark.vocabulary import write_tokenizer
from scripts.make_random_model import SHAPES, RandomModelSpec, make

STORED_AS_PUBLISHED = {"gptj": "float16", "gpt2": "float32"}
WEIGHT_FILES = ("*.safetensors", "*.safetensors.index.json")
TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "merges.txt")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint folder in the benchmark's own models directory."""

    folder: Path
    config: ModelConfig

    @property
    def name(self) -> str:
        return self.folder.name


def random_checkpoint(root: Path, shape: str) -> Checkpoint:
    """Return the checkpoint `shape` in `root`/models, created if necessary."""
    folder = _models(root) / shape
    if not (folder / "config.json").exists():
        stored = STORED_AS_PUBLISHED[SHAPES[shape]["model_type"]]
        make(RandomModelSpec(folder, SHAPES[shape], stored))
        write_tokenizer(folder / "tokenizer.json", SHAPES[shape]["vocab_size"])
        _remove_end_of_text(folder / "config.json", folder / "config.json")
    return Checkpoint(folder, read_config(folder))


def linked_checkpoint(root: Path, source: Path) -> Checkpoint:
    """Return a copy of `source` in `root`/models without an end-of-text token; files are hard-linked if possible."""
    folder = _models(root) / f"{source.name}-endless"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in _matching(source, (*WEIGHT_FILES, *TOKENIZER_FILES)):
        _link(file, folder / file.name)
    _remove_end_of_text(source / "config.json", folder / "config.json")
    return Checkpoint(folder, read_config(folder))


def _models(root: Path) -> Path:
    """Return the folder of the checkpoints; a .gitignore in `root` excludes everything in it."""
    (root / "models").mkdir(parents=True, exist_ok=True)
    (root / ".gitignore").write_text("*\n")
    return root / "models"


def _matching(folder: Path, patterns: Sequence[str]) -> list[Path]:
    return [file for pattern in patterns for file in sorted(folder.glob(pattern))]


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _remove_end_of_text(source: Path, target: Path) -> None:
    """Copy a config.json without its end-of-text token."""
    config = json.loads(source.read_text())
    target.write_text(json.dumps({**config, "bos_token_id": None, "eos_token_id": None}, indent=2) + "\n")
