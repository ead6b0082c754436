"""Ends a command with a one-line message if packages that it needs in addition to the service's are not installed."""

import importlib.metadata
import re
import shlex
import sys
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
LINE = re.compile(r"-r (?P<file>\S+)|(?P<package>[A-Za-z0-9_-]+)==\S+")
NOT_INSTALLED = 2  # exit status


def require(name: str) -> None:
    """Exit with the command that installs the requirements file `name`, unless all of its packages are installed."""
    missing = [package for package in packages(PROJECT_ROOT / name) if not _is_installed(package)]
    if missing:
        command = shlex.join([sys.executable, "-m", "pip", "install", "-r", str(PROJECT_ROOT / name)])
        print(f"{Path(sys.argv[0]).name} needs {', '.join(missing)}; install with: {command}", file=sys.stderr)
        sys.exit(NOT_INSTALLED)


def packages(path: Path) -> dict[str, str]:
    """Return the lines of a requirements file and of those it includes, by package."""
    found: dict[str, str] = {}
    for line in path.read_text().splitlines():
        match = LINE.fullmatch(line)
        if match and match["file"]:
            found |= packages(path.parent / match["file"])
        elif match:
            found[match["package"]] = line
    return found


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
