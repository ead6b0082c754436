"""Throw-away environments: a virtual environment, and for JavaScript a folder of npm, with one client in each.

Nothing of them is shared with Inkwell's own environment, whose pins would get in the way of theirs.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent / "requirements"
NPM_OPTIONS = ("--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error")
INSTALL_LIMIT_S = 600


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a client is installed."""

    folder: Path

    def program(self, name: str) -> Path:
        """A program that came with the client: python, node, st."""
        return self.folder / "bin" / name

    def variables(self) -> dict[str, str]:
        """What programs started here see: their own folder first, and no settings of Inkwell or of a client."""
        foreign = ("INKWELL_", "OPENAI_", "HF_", "PYTHON", "LANGCHAIN_", "LANGSMITH_", "PYTEST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return kept | {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "HF_HUB_OFFLINE": "0"}


def install(name: str, folder: Path) -> Environment:
    """Make the environment of requirements/<name>.txt, and install what <name>.npm lists, if there is such a file."""
    environment = Environment(folder)
    # pip of the environment that runs the tests installs into the new one, which then needs none of its own.
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    pip = [sys.executable, "-m", "pip", "--python", str(environment.program("python"))]
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-compile"]
    _run([*pip, "install", *options, "--requirement", str(REQUIREMENTS / f"{name}.txt")])
    packages = REQUIREMENTS / f"{name}.npm"
    if packages.exists():
        npm = [str(environment.program("npm")), "install", "--prefix", str(folder), *NPM_OPTIONS]
        _run([*npm, *packages.read_text().split()], environment.variables())
    return environment


def _run(command: list[str], variables: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=INSTALL_LIMIT_S,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
