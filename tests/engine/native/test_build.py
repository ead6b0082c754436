"""Where the libraries are, and what happens if one is missing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from inkwell.engine.native import build
from inkwell.engine.native.library import open_kernels


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    return tmp_path


def test_changed_sources_have_another_library(tmp_path: Path) -> None:
    shutil.copytree(build.SOURCES, tmp_path / "native")
    assert build.digest_of(tmp_path / "native") == build.DIGEST
    assert build.DIGEST in build.library_path("AVX2").name
    (tmp_path / "native" / "tile.hpp").write_text("// another")
    assert build.digest_of(tmp_path / "native") != build.DIGEST


def test_a_process_that_can_no_longer_read_the_sources_finds_its_library(tmp_path: Path) -> None:
    """As when a server started by root drops root's privileges, and the checkout is below /root."""
    package = tmp_path / "inkwell"
    shutil.copytree(build.SOURCES, package / "engine" / "native")
    for folder in (package, package / "engine"):
        (folder / "__init__.py").touch()
    program = (
        "from inkwell.engine.native import build\n"
        "for file in build.SOURCES.iterdir(): file.is_file() and file.unlink()\n"
        "print(build.library_path('AVX2'))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(build.library_path("AVX2"))


@pytest.mark.slow
def test_a_build_makes_whole_libraries_once(prefix: Path) -> None:
    libraries = build.build()
    assert sorted((prefix / "lib" / "inkwell").iterdir()) == sorted(libraries)
    before = [library.stat().st_mtime_ns for library in libraries]
    assert [library.stat().st_mtime_ns for library in build.build()] == before
    assert open_kernels(threads=1) is not None


def test_without_a_compiler_nothing_is_left_half_made(prefix: Path) -> None:
    with pytest.raises((FileNotFoundError, subprocess.CalledProcessError)):
        build.build(compiler="false")
    assert list((prefix / "lib" / "inkwell").iterdir()) == []


def test_without_a_library_there_are_no_kernels(prefix: Path) -> None:
    assert open_kernels(threads=1) is None


def test_a_cpu_below_avx2_has_no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert open_kernels(threads=1) is None
