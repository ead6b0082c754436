"""A model repository as plain values: selects the files of a checkpoint, and verifies local copies of them.

Takes the hub's file list and returns the files to download, or raises a `DownloadError` that states what is missing.
Knows no network. Names from the hub become local file names, so only names listed in this module are accepted.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from inkwell.errors import InkwellError

TOKENIZER_FILES = frozenset(
    {
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "merges.txt",
    }
)
SMALL_FILES = TOKENIZER_FILES | {"config.json", "generation_config.json"}
REFERENCE_FILES = frozenset({"LICENSE", "LICENSE.md", "LICENSE.txt", "README.md"})
SAFE_SHARD = re.compile(r"model-[0-9]{1,6}-of-[0-9]{1,6}\.safetensors")
PICKLE_INDEX = "pytorch_model.bin.index.json"
PICKLE_SHARD = re.compile(r"pytorch_model-[0-9]{1,6}-of-[0-9]{1,6}\.bin")


class DownloadError(InkwellError):
    """A model could not be downloaded; the message says what the user can do."""

    code = "download_failed"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file at one revision, with the size and checksum that the hub states."""

    name: str
    size_bytes: int
    checksum: str  # sha256 for a large (LFS) file; git's blob hash, a sha1 with a header, for a small one

    @property
    def partial_name(self) -> str:
        """Name of the partial file; different contents never share one."""
        return f"{self.name}.{self.checksum[:16]}.part"

    def matches(self, path: Path) -> bool:
        """Whether the file at `path` has this content."""
        if path.stat().st_size != self.size_bytes:
            return False
        if len(self.checksum) == 64:
            return sha256_of(path) == self.checksum
        return hashlib.sha1(b"blob %d\0" % self.size_bytes + path.read_bytes()).hexdigest() == self.checksum


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository at one revision."""

    hub_id: str
    revision: str
    files: tuple[RemoteFile, ...]


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_text(size_bytes: int) -> str:
    """Format a size like `548 MB`; in powers of ten, as used for disks and by the hub."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if size < 999.5 or unit == "PB":
            break
        size /= 1000
    return f"{size:.3g} {unit}" if size < 1000 else f"{size:,.0f} {unit}"


def is_pickle(name: str) -> bool:
    return name == "pytorch_model.bin" or PICKLE_SHARD.fullmatch(name) is not None


def is_weights(name: str) -> bool:
    return name == "model.safetensors" or SAFE_SHARD.fullmatch(name) is not None or is_pickle(name)


def choose_files(listing: Listing) -> tuple[RemoteFile, ...]:
    """Return the files of a servable checkpoint, weights last, so that an unsupported config costs no gigabytes."""
    by_name = {file.name: file for file in listing.files}
    weights = _weights(by_name)
    if "config.json" not in by_name:
        raise DownloadError(f"{listing.hub_id} has no config.json: it contains no checkpoint that Inkwell can serve")
    if not weights:
        raise DownloadError(f"{listing.hub_id} has neither complete safetensors nor complete pytorch_model.bin weights")
    if "tokenizer.json" not in by_name and not {"vocab.json", "merges.txt"} <= by_name.keys():
        raise DownloadError(f"{listing.hub_id} has no tokenizer: neither tokenizer.json nor vocab.json and merges.txt")
    names = weights | ((SMALL_FILES | REFERENCE_FILES) & by_name.keys())
    return tuple(sorted((by_name[name] for name in names), key=lambda file: (is_weights(file.name), file.size_bytes)))


def _weights(names: Iterable[str]) -> set[str]:
    """Return one complete set of weights; prefers safetensors to pickles, and a single file to shards."""
    present = set(names)
    shards = {name for name in present if SAFE_SHARD.fullmatch(name)}
    pickles = {name for name in present if PICKLE_SHARD.fullmatch(name)}
    if "model.safetensors" in present:
        return {"model.safetensors"}
    if shards and "model.safetensors.index.json" in present:
        return shards | {"model.safetensors.index.json"}
    if "pytorch_model.bin" in present:
        return {"pytorch_model.bin"}
    if pickles and PICKLE_INDEX in present:
        return pickles | {PICKLE_INDEX}
    return set()
