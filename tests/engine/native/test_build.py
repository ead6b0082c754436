"""Where the libraries lie, and what happens when there is none."""

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


def test_changed_sources_have_another_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build.library_path("AVX2")
    shutil.copytree(build.SOURCES, tmp_path / "native")
    monkeypatch.setattr(build, "SOURCES", tmp_path / "native")
    assert build.library_path("AVX2") == before
    (tmp_path / "native" / "tile.hpp").write_text("// another")
    assert build.library_path("AVX2") != before


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
