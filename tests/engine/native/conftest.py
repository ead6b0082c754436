"""The kernels that the tests here run on: this processor's, and those for AVX-512 with its instructions emulated."""

import subprocess
from pathlib import Path

import pytest

from inkwell.engine.native import build
from inkwell.engine.native.library import Kernels, open_kernels

EMULATION = Path(__file__).parent / "emulated.hpp"
# 64-byte vectors are passed in two registers; no other code calls these functions, so the convention does not matter.
QUIET = ("-Wno-psabi", "-Wno-ignored-attributes")


@pytest.fixture(scope="session")
def sixteen_lanes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library for AVX-512, whose instructions emulated.hpp replaces by pairs of AVX2's."""
    library = tmp_path_factory.mktemp("emulated") / "kernels.so"
    units = [str(unit) for unit in sorted(build.SOURCES.glob("*.cpp"))]
    flags = ("-march=x86-64-v3", "-include", str(EMULATION), *QUIET)
    subprocess.run(["g++", *build.FLAGS.split(), *flags, *units, "-o", str(library)], check=True)
    return library


@pytest.fixture(
    scope="module",
    params=[1, 3, pytest.param("emulated", marks=pytest.mark.slow)],
    ids=["1 thread", "3 threads", "16 lanes"],
)
def kernels(request: pytest.FixtureRequest) -> Kernels:
    if request.param == "emulated":
        return Kernels(request.getfixturevalue("sixteen_lanes"), threads=2)
    kernels = open_kernels(request.param)
    assert kernels is not None, "the tests need a CPU with AVX2 and the kernels that make builds"
    return kernels
