"""One model as the web tier knows it before any worker runs: its folder, its config and its tokenizer."""

import difflib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from inkwell.checkpoints.catalog import ORIGIN_FILE, Catalog, Folder, is_recent, known_model, served_files
from inkwell.checkpoints.model_config import ModelConfig, read_config
from inkwell.checkpoints.tokenizer import TextTokenizer, load_tokenizer
from inkwell.errors import InkwellError, ModelCorrupt, ModelNotDownloaded, ModelNotFound, NeedsConversion

Stamp = tuple[tuple[str, int, int], ...]  # of each file: name, size in bytes, time of modification in ns
ABSENT = (-1, -1)
REVISION_CHARACTERS = 8
SMALL_SUFFIXES = (".json", ".txt")  # of the files that this process itself reads


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

    @cached_property
    def revision(self) -> str | None:
        """The hub's revision that the downloader noted, shortened as git does; None for other folders."""
        note = _origin_note(self.path)
        return note["revision"][:REVISION_CHARACTERS] if note else None


@dataclass(slots=True)
class _CachedModel:
    """A model that was read, and the state of its files at that time.

    `digest` is that of the small files while their time stamps are so recent that a later change could have the same
    one. Weights need no digest: a worker reads them seconds after this process has read their time stamps.
    """

    stamp: Stamp
    digest: bytes | None
    model: Model

    def matches(self, stamp: Stamp) -> bool:
        """Whether the files are still the same."""
        if self.stamp != stamp:
            return False
        return self.digest is None or self.digest == _digest(self.model.path, stamp)


class ModelStore:
    """The models directory, as it is at each call; models that were read are cached.

    `aliases` are the operator's own names of models; they take precedence over all others.
    """

    def __init__(
        self,
        models_dir: Path,
        aliases: Mapping[str, str] = MappingProxyType({}),
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._catalog = Catalog(models_dir, clock_ns)
        self._clock_ns = clock_ns
        self._aliases = aliases
        self._lock = threading.Lock()
        self._models: dict[str, _CachedModel] = {}

    def folders(self) -> dict[str, Folder]:
        """All folders by name, servable or not."""
        return self._catalog.folders()

    def folder(self, name: str) -> Folder | None:
        """The folder that a name or alias means, servable or not."""
        name = self._aliases.get(name, name)
        known = known_model(name)
        return self._catalog.folder(name) or (self._catalog.folder(known.name) if known else None)

    def find(self, name: str) -> Model:
        """The model of that name or alias; raises the reason if it cannot be served."""
        folder = self.folder(name)
        if folder is None:
            raise _not_found(self._aliases.get(name, name), sorted(self.folders()))
        if folder.state == "needs_conversion":
            raise NeedsConversion(
                f"{folder.name} holds pickled weights, which are never served; "
                f"run scripts/download_model.py --convert models/{folder.name} once",
            )
        if folder.state == "incomplete":
            raise ModelCorrupt(f"the folder of {folder.name} is not a complete checkpoint")
        return self.read(folder)

    def read(self, folder: Folder) -> Model:
        """The model in an available folder: the same object as long as no file that it is served from has changed."""
        files = served_files(self._catalog.files(folder.name))
        now_ns, stamp = self._clock_ns(), _stamp(folder.path, files)
        with self._lock:
            known = self._models.get(folder.name)
            if known is None or not known.matches(stamp):
                digest = _digest(folder.path, stamp)  # first: content that changes meanwhile counts as changed
                known = _CachedModel(stamp, digest, Model(folder.name, folder.path, read_config(folder.path)))
                self._models[folder.name] = known
            if not any(is_recent(modified_ns, now_ns) for _, _, modified_ns in stamp):
                known.digest = None
            return known.model


def origin(folder: Folder) -> str:
    """Where a checkpoint came from, in words: the hub and revision that the downloader noted, or its folder."""
    note = _origin_note(folder.path)
    return f"{note['hub_id']}@{note['revision']}" if note else f"models/{folder.name}"


def _origin_note(folder: Path) -> dict[str, str] | None:
    """What the downloader noted: `hub_id` and `revision`; None if it noted nothing, or not both."""
    try:
        note = json.loads((folder / ORIGIN_FILE).read_text())
        found = {name: str(note[name]) for name in ("hub_id", "revision")}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def _stamp(folder: Path, files: tuple[str, ...]) -> Stamp:
    return tuple((name, *_size_and_time(folder / name)) for name in files)


def _size_and_time(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError:
        return ABSENT
    return status.st_size, status.st_mtime_ns


def _digest(folder: Path, stamp: Stamp) -> bytes:
    """The digest of the small files; one that cannot be read counts as empty."""
    digest = hashlib.blake2b()
    for name, _, _ in stamp:
        if name.endswith(SMALL_SUFFIXES):
            try:
                content = (folder / name).read_bytes()
            except OSError:
                content = b""
            digest.update(len(content).to_bytes(8) + content)
    return digest.digest()


def _not_found(name: str, present: list[str]) -> InkwellError:
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
