"""Which models exist: those that Inkwell knows by name, and the folders that lie below the models directory.

Takes a directory, gives plain values; never opens a weight file. Names from requests are looked up in the dictionary
that `scan` returns and are never joined to a path, so no request can name a file (docs/decisions/0005-model-names.md).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")

ORIGIN_FILE = "inkwell.json"  # in a folder that scripts/download_model.py brought: from which hub and revision
UNREADABLE = (OSError, RuntimeError)  # Path.resolve raises RuntimeError for a loop of links (Python 3.11)

FolderState = Literal["available", "needs_conversion", "incomplete"]


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A published checkpoint: the name Inkwell serves it under and the exact hub revision it is downloaded at."""

    name: str
    hub_id: str
    revision: str  # full commit hash: a moved branch must not change what is served
    parameters: int
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Folder:
    """A checkpoint folder below the models directory."""

    name: str
    path: Path
    state: FolderState


KNOWN_MODELS = (
    KnownModel(
        "124M", "openai-community/gpt2", "607a30d783dfa663caf39e06633721c8d4cfcd7e", 124_439_808,
        ("gpt2", "gpt2-small", "openai-community/gpt2"),
    ),
    KnownModel(
        "355M", "openai-community/gpt2-medium", "6dcaa7a952f72f9298047fd5137cd6e4f05f41da", 354_823_168,
        ("gpt2-medium", "openai-community/gpt2-medium"),
    ),
    KnownModel(
        "774M", "openai-community/gpt2-large", "32b71b12589c2f8d625668d2335a01cac3249519", 774_030_080,
        ("gpt2-large", "openai-community/gpt2-large"),
    ),
    KnownModel(
        "1558M", "openai-community/gpt2-xl", "15ea56dee5df4983c59b2538573817e1667135e2", 1_557_611_200,
        ("gpt2-xl", "openai-community/gpt2-xl"),
    ),
    KnownModel(
        "gpt-j-6B", "EleutherAI/gpt-j-6b", "47e169305d2e8376be1d31e765533382721b2cc1", 6_050_882_784,
        ("gpt-j-6b", "gptj", "EleutherAI/gpt-j-6b", "EleutherAI/gpt-j-6B"),
    ),
)  # fmt: skip

ALIASES = {alias: known.name for known in KNOWN_MODELS for alias in known.aliases}


def known_model(name: str) -> KnownModel | None:
    """The published checkpoint of that name or alias."""
    return next((known for known in KNOWN_MODELS if known.name == canonical(name)), None)


def canonical(name: str) -> str:
    """The name that an alias stands for; any other name is its own."""
    return ALIASES.get(name, name)


def scan(models_dir: Path) -> dict[str, Folder]:
    """Every checkpoint folder below `models_dir`, by name and sorted; an absent or unreadable directory holds none.

    Folders whose names do not fit (dot folders above all: downloads in progress) and links that lead out of the
    directory are passed over.
    """
    try:
        root = models_dir.resolve()
        entries = sorted(root.iterdir())
    except UNREADABLE:
        return {}
    folders = (_folder(entry, root) for entry in entries)
    return {folder.name: folder for folder in folders if folder is not None}


def _folder(entry: Path, root: Path) -> Folder | None:
    if not NAME_PATTERN.fullmatch(entry.name):
        return None
    try:
        if entry.resolve().parent != root:
            return None
        files = {file.name for file in entry.iterdir()}
    except UNREADABLE:  # a plain file, a link to itself, or a folder that the service's user may not enter
        return None
    return Folder(entry.name, entry, _state(files)) if files else None


def _state(files: set[str]) -> FolderState:
    has_tokenizer = "tokenizer.json" in files or {"vocab.json", "merges.txt"} <= files
    if "config.json" not in files or not has_tokenizer:
        return "incomplete"
    if "model.safetensors" in files or "model.safetensors.index.json" in files:
        return "available"
    has_pickle = any(name.startswith("pytorch_model") and name.endswith(".bin") for name in files)
    return "needs_conversion" if has_pickle else "incomplete"
