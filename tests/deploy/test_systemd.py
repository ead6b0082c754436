"""The systemd unit of docs/deploy, checked by systemd's own tools."""

import subprocess
import sys
from pathlib import Path

import pytest

from inkwell.apache.config import DRAIN_S
from tests.live import PROJECT_ROOT

pytestmark = pytest.mark.slow

UNIT = PROJECT_ROOT / "docs/deploy/inkwell.service"
EXPOSURE_LIMIT = 15  # tenths; a unit without any hardening has 96


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists here, because systemd checks that too."""
    text = UNIT.read_text()
    installed = "ExecStart=/opt/inkwell/.venv/bin/python -m inkwell"
    assert installed in text
    copy = tmp_path / "inkwell.service"
    copy.write_text(text.replace(installed, f"ExecStart={sys.executable} -m inkwell"))
    return copy


def test_systemd_finds_nothing_wrong(unit: Path) -> None:
    result = analyze("verify", "--man=no", unit)
    assert (result.returncode, result.stderr) == (0, "")


def test_systemd_would_find_a_misspelt_line(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("KillMode=", "KilMode="))
    assert "KilMode" in analyze("verify", "--man=no", unit).stderr


def test_the_service_is_shut_off_from_the_rest_of_the_machine(unit: Path) -> None:
    result = analyze("security", "--offline=yes", f"--threshold={EXPOSURE_LIMIT}", unit)
    assert result.returncode == 0, result.stdout


def test_a_stop_waits_for_the_drain_and_reaches_the_launcher_alone() -> None:
    settings = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and line[0] != "#")
    assert int(settings["TimeoutStopSec"]) >= DRAIN_S + 20
    assert settings["KillMode"] == "mixed"
    assert settings["OOMPolicy"] == "continue"


def test_the_launcher_may_tie_apache_to_its_own_life() -> None:
    """setpriv --pdeathsig calls capset, which ~@privileged forbids; without it, Apache does not start."""
    filters = [line.partition("=")[2] for line in UNIT.read_text().splitlines() if line.startswith("SystemCallFilter=")]
    assert filters.index("capset") > filters.index("~@privileged")
