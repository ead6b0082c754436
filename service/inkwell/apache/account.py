"""The account under which Apache runs its children when root starts the service, and what that account may read.

mod_wsgi refuses to run the application as root. Started by anyone else, Apache runs wholly as that user.
"""

import os
import shutil
import subprocess
from pathlib import Path

NAME = "www-data"  # Debian creates it on every system
FIND = "/usr/bin/find"


def children_account() -> str | None:
    """The account to put into httpd.conf; None when no change of user is needed or possible."""
    return NAME if os.geteuid() == 0 else None


def open_to_group(folder: Path) -> None:
    """Give the children's account read access to a private folder of root's."""
    if children_account():
        shutil.chown(folder, group=NAME)
        folder.chmod(0o750)


def unreadable(folder: Path) -> list[str]:
    """Paths in `folder` that the account may not read; a process of that account tries, so that every rule applies.

    Empty when there is no change of user.
    """
    if not children_account():
        return []
    command = [FIND, str(folder), "-maxdepth", "2", "!", "-readable", "-print"]
    result = subprocess.run(
        command, user=NAME, group=NAME, extra_groups=[], cwd="/", env={}, capture_output=True, text=True, check=False
    )
    return result.stdout.splitlines() or ([str(folder)] if result.returncode else [])


def permission_advice(paths: list[str]) -> str:
    """One line of advice about unreadable paths."""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{NAME} may not read {paths[0]}{more}; allow it with chmod -R o+rX"
