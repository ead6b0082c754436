"""Temporary environments with one client each: a virtual environment and, for JavaScript, an npm folder.

They share nothing with Inkwell's own environment, whose pins would conflict with theirs.
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
        """Return the path of a program in the environment: python, node, st."""
        return self.folder / "bin" / name

    def variables(self) -> dict[str, str]:
        """The variables of its programs: its own folder first on PATH, no settings of Inkwell or of a client."""
        foreign = ("INKWELL_", "OPENAI_", "HF_", "PYTHON", "LANGCHAIN_", "LANGSMITH_", "PYTEST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return kept | {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "HF_HUB_OFFLINE": "0"}


def install(name: str, folder: Path) -> Environment:
    """Create the environment of requirements/<name>.txt, with the packages of <name>.npm if that file exists."""
    environment = Environment(folder)
    # The pip of the tests' environment installs into the new one, which then needs no pip of its own.
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
