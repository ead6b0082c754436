"""Copies the code and mirrors the models to folders that Apache's account can read.

Root's checkout may be below a folder that other users cannot enter. The code is small and copied at each start. Models
are large and therefore hard-linked. Files that cannot be linked are copied: those on another file system, and those
that only their owner may read, which is how safetensors writes them. Knows folders and files, not what a checkpoint is.
"""

import compileall
import errno
import fcntl
import os
import shutil
import stat
import tempfile
import threading
from pathlib import Path

from inkwell.apache.account import open_to_group
from inkwell.apache.console import log_info
from inkwell.checkpoints.catalog import scan

SYNC_S = 2.0
Signature = dict[Path, tuple[int, int]]  # file -> (bytes, time of change in ns); links and copies both keep these


def stage_code(package: Path, root: Path) -> None:
    """Copy the package and make it world-readable; byte-compiles it first, because Apache's account could not."""
    compileall.compile_dir(package, quiet=2)
    shutil.copytree(package, root / package.name)
    for folder, _, files in os.walk(root):
        Path(folder).chmod(0o755)
        for name in files:
            Path(folder, name).chmod(0o644)


class ModelMirror:
    """Keeps `target` in sync with the model folders of `source`; each folder appears and disappears atomically."""

    def __init__(self, source: Path, target: Path) -> None:
        self._source = source
        self._target = target
        self._seen: dict[str, Signature] = {}
        self._last_error = ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="model-mirror", daemon=True)
        target.mkdir(exist_ok=True)
        open_to_group(target)  # and to no one else: a checkpoint may be private

    def __enter__(self) -> "ModelMirror":
        self.sync(settled_only=False)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(timeout=5)

    def _follow(self) -> None:
        while not self._stopped.wait(SYNC_S):
            self.sync(settled_only=True)

    def sync(self, settled_only: bool) -> None:
        """Run one pass. With `settled_only`, only publish folders that have not changed since the previous pass."""
        lock = os.open(self._target, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another launcher may serve the same checkout
            self._remove_scratch()
            wanted = {name: _signature(folder.path) for name, folder in scan(self._source).items()}
            for name, signature in wanted.items():
                settled = not settled_only or self._seen.get(name) == signature
                if settled and signature != _signature(self._target / name):
                    self._publish(name, signature)
            for name in {entry.name for entry in self._target.iterdir()} - wanted.keys():
                self._withdraw(name)
            self._seen = wanted
        except OSError as error:  # a folder changed during the pass, or the disk is full; the next pass retries
            self._report(f"models are not in sync yet: {error.strerror}: {error.filename}")
        finally:
            os.close(lock)

    def _report(self, text: str) -> None:
        if text != self._last_error:
            log_info(text)
        self._last_error = text

    def _publish(self, name: str, signature: Signature) -> None:
        scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=self._target))
        scratch.chmod(0o755)
        for file in signature:
            copy = scratch / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            if not _link((self._source / name / file).resolve(), copy):
                log_info(f"copying {name}/{file}, because it cannot be linked for Apache's account")
                shutil.copy2(self._source / name / file, copy)
                copy.chmod(0o644)
        self._withdraw(name)
        scratch.rename(self._target / name)

    def _withdraw(self, name: str) -> None:
        if (self._target / name).exists():
            old = Path(tempfile.mkdtemp(prefix=".old-", dir=self._target))
            (self._target / name).rename(old / name)
            shutil.rmtree(old)

    def _remove_scratch(self) -> None:
        for folder in self._target.glob(".*-*"):  # left by a launcher that was killed during a pass
            shutil.rmtree(folder)


def _signature(folder: Path) -> Signature:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def _link(source: Path, target: Path) -> bool:
    """Hard-link `source` as `target`; returns False if that is impossible or the link would be unreadable."""
    if not source.stat().st_mode & stat.S_IROTH:
        return False
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
            return False
        raise
    return True
