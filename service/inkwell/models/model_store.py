"""One model as the web tier knows it before any worker runs: its folder, its config and its tokenizer."""

import difflib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from inkwell.checkpoints.catalog import ORIGIN_FILE, Folder, known_model, scan
from inkwell.checkpoints.model_config import ModelConfig, read_config
from inkwell.checkpoints.tokenizer import TextTokenizer, load_tokenizer
from inkwell.errors import InkwellError, ModelCorrupt, ModelNotDownloaded, ModelNotFound, NeedsConversion

Stamp = tuple[tuple[str, int, int], ...]

SERVED_SUFFIXES = {".json", ".safetensors", ".txt"}


@dataclass(frozen=True)
class Model:
    """A servable checkpoint folder. Config and tokenizer are read once, by the first request that needs them."""

    name: str
    path: Path
    config: ModelConfig

    @cached_property
    def tokenizer(self) -> TextTokenizer:
        """The folder's tokenizer; raises ModelCorrupt if it could name tokens that the model does not have."""
        tokenizer = load_tokenizer(self.path)
        if tokenizer.highest_id >= self.config.vocab_size:
            raise ModelCorrupt(
                f"the tokenizer of {self.name} does not belong to its model",
                cause=f"token {tokenizer.highest_id} with {self.config.vocab_size} rows in the embedding",
            )
        return tokenizer


class ModelStore:
    """The models directory, read afresh whenever somebody asks, with what was parsed remembered.

    `aliases` are the operator's own names of models; they come before all others.
    """

    def __init__(self, models_dir: Path, aliases: Mapping[str, str] = MappingProxyType({})) -> None:
        self._models_dir = models_dir
        self._aliases = aliases
        self._lock = threading.Lock()
        self._models: dict[str, tuple[Stamp, Model]] = {}

    def folders(self) -> dict[str, Folder]:
        """All folders by name, servable or not."""
        return scan(self._models_dir)

    def folder(self, name: str) -> Folder | None:
        """The folder that a name or alias means, servable or not."""
        name = self._aliases.get(name, name)
        known = known_model(name)
        folders = self.folders()
        return folders.get(name) or (folders.get(known.name) if known else None)

    def find(self, name: str) -> Model:
        """The model of that name or alias; raises why it cannot be served."""
        folder = self.folder(name)
        if folder is None:
            raise _absence(self._aliases.get(name, name), sorted(self.folders()))
        if folder.state == "needs_conversion":
            raise NeedsConversion(
                f"{folder.name} holds pickled weights, which are never served; "
                f"run scripts/download_model.py --convert models/{folder.name} once",
            )
        if folder.state == "incomplete":
            raise ModelCorrupt(f"the folder of {folder.name} is not a complete checkpoint")
        return self.read(folder)

    def read(self, folder: Folder) -> Model:
        """The model in an available folder: the same object as long as no file in it has changed."""
        stamp = _stamp(folder.path)
        with self._lock:
            seen, model = self._models.get(folder.name, (None, None))
            if model is None or seen != stamp:
                model = Model(folder.name, folder.path, read_config(folder.path))
                self._models[folder.name] = (stamp, model)
            return model


def origin(folder: Folder) -> str:
    """Where a checkpoint came from, in words: the hub and revision that the downloader noted, or its folder."""
    try:
        note = json.loads((folder.path / ORIGIN_FILE).read_text())
        return f"{note['hub_id']}@{note['revision']}"
    except (OSError, ValueError, KeyError, TypeError):
        return f"models/{folder.name}"


def _stamp(folder: Path) -> Stamp:
    """Name, size and time of every file that is served from; a README may change under a running model."""
    try:
        files = [file for file in folder.iterdir() if file.suffix in SERVED_SUFFIXES]
        return tuple(sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files))
    except OSError:
        return ()  # reading it fails next, and says why


def _absence(name: str, present: list[str]) -> InkwellError:
    listing = ", ".join(present) or "none"
    known = known_model(name)
    if known:
        return ModelNotDownloaded(
            f"{known.name} is not on this machine; run make model NAME={known.name}. Present: {listing}",
            param="model_name",
        )
    close = difflib.get_close_matches(name[:96], present, n=1)
    hint = f"; did you mean {close[0]}?" if close else "."
    return ModelNotFound(f"there is no model {name[:96]!r}{hint} Present: {listing}", param="model_name")
