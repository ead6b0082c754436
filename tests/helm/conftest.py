"""The helm binaries that the chart must work with: two downloaded ones, and the machine's own if there is one."""

import shutil
from pathlib import Path

import pytest

from scripts.chart.helm import NEWEST, OLDEST, helm_program
from tests.helm.chart import Chart

RELEASES = {release.version: release for release in (OLDEST, NEWEST)}
OWN = "own"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `every_chart` runs once with each binary."""
    if "every_chart" in metafunc.fixturenames:
        own = [OWN] if shutil.which("helm") else []
        metafunc.parametrize("every_chart", [*RELEASES, *own], indirect=True, scope="session")


@pytest.fixture(scope="session")
def every_chart(request: pytest.FixtureRequest) -> Chart:
    """The chart with one of the binaries."""
    if request.param == OWN:
        return Chart(Path(shutil.which("helm")))
    return Chart(helm_program(RELEASES[request.param]))


@pytest.fixture(scope="session")
def chart() -> Chart:
    """The chart with the oldest binary, for tests that do not depend on the version."""
    return Chart(helm_program(OLDEST))
