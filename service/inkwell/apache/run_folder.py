"""The private folder of one start: httpd.conf, pid file, sockets, drain flag, refusals.

A context manager that gives the folder and removes it. A launcher that was killed cannot remove its own; the next one
does. Knows nothing of what lies in it.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inkwell.apache.account import open_to_group
from inkwell.errors import SettingsError

PREFIX = "inkwell-run-"
SETTLED_S = 60  # a folder that is younger may be between its creation and its lock


@contextmanager
def run_folder(parent: Path) -> Iterator[Path]:
    """A new folder below `parent`, closed to everybody else, held by a lock as long as its launcher lives.

    The lock also keeps systemd's cleaner of temporary files away.
    """
    _remove_orphans(parent)
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    except OSError as error:
        raise SettingsError(f"no folder for this run can be made in {parent}: {error.strerror}") from error
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        open_to_group(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_orphans(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # another user's, or gone already
            continue
        try:
            status = os.fstat(lock)
            if status.st_uid == os.geteuid() and time.time() - status.st_mtime > SETTLED_S:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:  # its launcher lives
            continue
        finally:
            os.close(lock)
