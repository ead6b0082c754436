"""Which models exist: those that Inkwell knows by name, and the folders below the models directory.

Takes a directory, returns plain values; never opens a file. Names from requests are looked up among the listed entries
and are never joined to a path, so no request can name a file (docs/decisions/0005-model-names.md).
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")

ORIGIN_FILE = "inkwell.json"  # written by scripts/download_model.py: hub and revision of the folder
UNREADABLE = (OSError, RuntimeError)  # Path.resolve raises RuntimeError for a loop of links (Python 3.11)

COARSEST_TIMESTAMP_NS = 2_000_000_000  # those of FAT; other file systems have milliseconds
CLOCK_SKEW_NS = 60_000_000_000

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
    """The name that an alias means; any other name is returned as it is."""
    return ALIASES.get(name, name)


class Catalog:
    """The checkpoint folders below one directory. A directory is listed again only after it has changed. Thread-safe.

    Folders whose names do not match NAME_PATTERN (mainly dot folders, which are downloads in progress) and links that
    lead out of the directory are skipped.
    """

    def __init__(self, models_dir: Path, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._models_dir = models_dir
        self._clock_ns = clock_ns
        self._listing: _Listing | None = None

    def folders(self) -> dict[str, Folder]:
        """All folders by name, sorted; an absent or unreadable directory holds none."""
        listing = self._current()
        found = {name: listing.folder(name) for name in listing.entries}
        return {name: each.folder for name, each in found.items() if each is not None}

    def folder(self, name: str) -> Folder | None:
        """The folder of that name."""
        found = self._current().folder(name)
        return found.folder if found else None

    def files(self, name: str) -> frozenset[str]:
        """Names of the files in the folder of that name; none if there is no such folder."""
        found = self._current().folder(name)
        return found.files if found else frozenset()

    def _current(self) -> "_Listing":
        try:
            root = self._models_dir.resolve()
            now_ns, version = self._clock_ns(), _version(root)
            known = self._listing
            if known is not None and (known.root, known.version) == (root, version):
                return known
            entries = {entry.name: entry for entry in sorted(root.iterdir()) if NAME_PATTERN.fullmatch(entry.name)}
        except UNREADABLE:
            return _Listing(self._models_dir, (), {}, self._clock_ns)
        listing = _Listing(root, version, entries, self._clock_ns)
        self._listing = listing if _is_settled(version, now_ns) else None
        return listing


@dataclass(frozen=True, slots=True)
class _Found:
    """A folder with the names of its files, as they were at one version of it."""

    version: "_Version"
    folder: Folder
    files: frozenset[str]


class _Listing:
    """The entries of the models directory at one version of it, and what was found in them."""

    def __init__(self, root: Path, version: "_Version", entries: dict[str, Path], clock_ns: Callable[[], int]) -> None:
        self.root = root
        self.version = version
        self.entries = entries
        self._clock_ns = clock_ns
        self._found: dict[str, _Found] = {}

    def folder(self, name: str) -> _Found | None:
        """The folder of that entry, listed again if it has changed; None if it is not a checkpoint folder."""
        entry = self.entries.get(name)
        if entry is None:
            return None
        try:
            now_ns, version = self._clock_ns(), _version(entry)
            known = self._found.get(name)
            if known is not None and known.version == version:
                return known
            if entry.resolve().parent != self.root:
                return None
            files = frozenset(file.name for file in entry.iterdir())
        except UNREADABLE:  # a plain file, a link to itself, or a folder that the service's user may not enter
            return None
        if not files:
            return None
        found = _Found(version, Folder(name, entry, _state(files)), files)
        if _is_settled(version, now_ns):
            self._found[name] = found
        return found


def scan(models_dir: Path) -> dict[str, Folder]:
    """Every checkpoint folder below `models_dir`, for a caller that needs them once."""
    return Catalog(models_dir).folders()


def served_files(files: frozenset[str]) -> tuple[str, ...]:
    """The files among these that a model is served from; others may change while it runs."""
    tokenizer = {"tokenizer.json"} if "tokenizer.json" in files else {"vocab.json", "merges.txt"}
    if "model.safetensors" in files:
        weights = {"model.safetensors"}
    else:
        weights = {"model.safetensors.index.json", *(name for name in files if name.endswith(".safetensors"))}
    return tuple(sorted({"config.json", *tokenizer, *weights}))


def is_recent(time_ns: int, now_ns: int) -> bool:
    """Whether a change after `now_ns` could have the same time stamp; clocks of file servers may be ahead of ours."""
    return now_ns - COARSEST_TIMESTAMP_NS < time_ns < now_ns + CLOCK_SKEW_NS


# Of a directory: device, inode, time of change, time of modification. The first two change with the target of a link,
# the third also with permissions, and no program can set it back as `cp -p` and `rsync -t` do with the fourth.
_Version = tuple[int, ...]


def _version(directory: Path) -> _Version:
    status = directory.stat()
    return status.st_dev, status.st_ino, status.st_ctime_ns, status.st_mtime_ns


def _is_settled(version: _Version, now_ns: int) -> bool:
    return not any(is_recent(time_ns, now_ns) for time_ns in version[2:])


def _state(files: frozenset[str]) -> FolderState:
    has_tokenizer = "tokenizer.json" in files or {"vocab.json", "merges.txt"} <= files
    if "config.json" not in files or not has_tokenizer:
        return "incomplete"
    if "model.safetensors" in files or "model.safetensors.index.json" in files:
        return "available"
    has_pickle = any(name.startswith("pytorch_model") and name.endswith(".bin") for name in files)
    return "needs_conversion" if has_pickle else "incomplete"
