"""The staging area of downloads: lock a folder, check disk space, record the origin, publish the model.

Downloads are staged in `models/.incoming/NAME/REVISION`, which the registry ignores; one rename publishes them. Works
with paths; knows nothing of the hub.
"""

import errno
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from inkwell.checkpoints.catalog import ORIGIN_FILE
from scripts.repository import PICKLE_INDEX, DownloadError, Listing, RemoteFile, is_pickle, sha256_of, size_text

INCOMING = ".incoming"
RESERVE_BYTES = 16 << 20  # for file system metadata


@contextmanager
def staging_folder(models_dir: Path, name: str, log: Callable[[str], None]) -> Iterator[Path]:
    """Provide the staging folder of `name` to one process at a time.

    The lock only avoids duplicate work. Some network file systems grant it to every process; the result is still
    correct, because contents are written by offset, verified, and published by rename.
    """
    root = models_dir / INCOMING
    root.mkdir(parents=True, exist_ok=True)
    folder, lock_path = root / name, root / f".{name}.lock"
    with lock_path.open("a") as lock:
        _wait_for(lock, lambda: log(f"another process is downloading {name}; waiting for it"))
        folder.mkdir(exist_ok=True)
        try:
            yield folder
        finally:
            lock_path.unlink(missing_ok=True)
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()


def _wait_for(lock: TextIO, on_wait: Callable[[], None]) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        on_wait()
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise


def require_disk_space(folder: Path, needed_bytes: int, what: str) -> None:
    """Raise DownloadError unless the disk has enough free space."""
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes + RESERVE_BYTES > free_bytes:
        raise DownloadError(
            f"{what} needs {size_text(needed_bytes)} more on the disk of {folder}, which has {size_text(free_bytes)} "
            "free: free some space, or choose another disk with --models-dir"
        )


def origin(folder: Path) -> tuple[str, str] | None:
    """Return the hub id and revision that `folder` was downloaded from, or None without a valid record."""
    try:
        record = json.loads((folder / ORIGIN_FILE).read_text("utf-8"))
        return record["hub_id"], record["revision"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def came_from(folder: Path, hub_id: str, revision: str | None) -> bool:
    """Whether the folder's record names this repository and this revision (any revision if None)."""
    found = origin(folder)
    return found is not None and found[0] == hub_id and revision in (None, found[1])


def origin_text(folder: Path) -> str:
    """Describe the folder's origin, for messages."""
    found = origin(folder)
    return f"{found[0]} at {found[1]}" if found else f"files of unknown origin (no {ORIGIN_FILE})"


def write_record(folder: Path, listing: Listing, fetched: Iterable[RemoteFile]) -> None:
    """Write `inkwell.json`, the origin and checksum of every file, for GET /models and for later verification."""
    known = {file.name: file.checksum for file in fetched if len(file.checksum) == 64}
    entries = {
        path.name: {"size_bytes": path.stat().st_size, "sha256": known.get(path.name) or sha256_of(path)}
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name not in (ORIGIN_FILE, PICKLE_INDEX)
    }
    record: dict[str, Any] = {
        "hub_id": listing.hub_id,
        "revision": listing.revision,
        "downloaded": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {name: entry for name, entry in entries.items() if not is_pickle(name)},
    }
    originals = {name: entry for name, entry in entries.items() if is_pickle(name)}
    if originals:
        record["converted_from"] = originals
    with (folder / ORIGIN_FILE).open("w", encoding="utf-8") as target:
        target.write(json.dumps(record, indent=2) + "\n")
        target.flush()
        os.fsync(target.fileno())


def publish(folder: Path, target: Path, *, replace: bool) -> None:
    """Move a complete folder into place as the model, replacing an existing one only at this point."""
    _sync_directory(folder)
    old = target.parent / INCOMING / f".old-{uuid.uuid4().hex}"
    if replace and target.exists():
        target.rename(old)
    try:
        folder.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    _sync_directory(target.parent)
    if old.is_symlink():
        old.unlink()
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(folder.parent, ignore_errors=True)  # interrupted downloads of other revisions


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
