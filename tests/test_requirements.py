"""The requirements files: every line is a pin in the file of the code that needs it, and every import is listed."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from scripts.requirements import packages
from tests.deploy.test_image_files import let_into_the_build
from tests.deploy.test_makefile import make
from tests.layers import ROOT

RUN_TIME = "requirements.txt"
FILES = sorted(path.name for path in ROOT.glob("requirements*.txt"))
# Requirements files of code that needs more than the service, by the longest matching prefix; all other code runs after
# `make serve`.
NEEDS = {
    "scripts/bench.py": "requirements-bench.txt",
    "scripts/benchmark/": "requirements-bench.txt",
    "scripts/chart/": "requirements-dev.txt",
    "scripts/check_gpu.py": "requirements-oracle.txt",
    "scripts/render_chart.py": "requirements-dev.txt",
    "scripts/scaling/": "requirements-bench.txt",
    "scripts/simulate_scaling.py": "requirements-bench.txt",
    "tests/": "requirements-dev.txt",
}
# Code that runs in environments of its own, for which only the main package is listed.
ELSEWHERE = ("scripts/benchmark/targets/openvino.py", "tests/clients/contract_hooks.py", "tests/clients/suites/")
OURS = {"inkwell", "scripts", "tests"}
DISTRIBUTIONS = packages_distributions()


def needed_by(path: str) -> str:
    """Return the requirements file of a source file."""
    return NEEDS.get(max(filter(path.startswith, NEEDS), key=len, default=""), RUN_TIME)


def sources() -> list[str]:
    """Return every tracked Python file that runs in the project's environment."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for path in listed.split() if not path.startswith(ELSEWHERE)]


def normal(name: str) -> str:
    """Normalise a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def libraries(source: str) -> Iterator[str]:
    """Return the third-party top-level modules that a file imports."""
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        for name in names:
            top = name.partition(".")[0]
            if top not in OURS and top not in sys.stdlib_module_names:
                yield top


def unlisted(path: str, source: str) -> set[str]:
    """Return the libraries that a file imports without a pinned package that provides them."""
    listed = {normal(name) for file in {RUN_TIME, needed_by(path)} for name in packages(ROOT / file)}
    return {name for name in libraries(source) if not listed & set(map(normal, DISTRIBUTIONS.get(name, [name])))}


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_pinned_to_one_version(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9_-]+==[0-9.]+|-r requirements[a-z-]*\.txt", line), line


def test_a_package_that_two_environments_share_has_one_line() -> None:
    lines = [line for name in FILES for line in (ROOT / name).read_text().splitlines() if "==" in line]
    assert len({line.partition("==")[0] for line in lines}) == len(lines)


def test_whatever_is_imported_is_pinned_for_those_who_import_it() -> None:
    found = {path: unlisted(path, (ROOT / path).read_text()) for path in sources()}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "path", ["service/inkwell/engine/loading.py", "scripts/conversion.py", "scripts/make_random_model.py"]
)
def test_the_oracle_is_not_for_the_service_nor_for_its_tools(path: str) -> None:
    assert unlisted(path, "import torch\nfrom transformers import GPT2LMHeadModel") == {"transformers"}
    assert unlisted("tests/engine/tiny.py", "from transformers import GPT2LMHeadModel") == set()


def test_scripts_of_the_image_need_nothing_beyond_the_service() -> None:
    scripts = {path for path in let_into_the_build() if path.startswith("scripts/")}
    assert len(scripts) > 5
    assert {needed_by(path) for path in scripts} == {RUN_TIME}


@pytest.mark.parametrize(
    ("target", "files"),
    [
        ("serve", {RUN_TIME}),
        ("model", {RUN_TIME}),
        ("bench", {RUN_TIME, "requirements-bench.txt"}),
        ("test-fast", {RUN_TIME, "requirements-bench.txt", "requirements-dev.txt"}),
    ],
)
def test_a_fresh_machine_installs_what_the_target_needs(target: str, files: set[str]) -> None:
    printed = make("--dry-run", "--always-make", target, "NAME=124M").stdout
    assert set(re.findall(r"pip install .* -r (\S+)", printed)) == files


@pytest.mark.parametrize(
    ("script", "file"), [("check_gpu.py", "requirements-oracle.txt"), ("bench.py", "requirements-bench.txt")]
)
def test_a_command_without_its_packages_says_how_to_install_them(script: str, file: str, tmp_path: Path) -> None:
    program = (
        "import importlib.metadata as m, runpy, sys\n"
        "version = m.version\n"
        "def without(name):\n"
        "    if name == 'transformers': raise m.PackageNotFoundError(name)\n"
        "    return version(name)\n"
        "m.version, sys.modules['transformers'] = without, None\n"
        "sys.argv = [sys.argv[1]]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    command = [sys.executable, "-c", program, str(ROOT / "scripts" / script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    expected = f"{script} needs transformers; install with: {sys.executable} -m pip install -r {ROOT / file}\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)
