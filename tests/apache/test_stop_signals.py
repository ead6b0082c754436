"""Which signals stop the service, with a terminal and without."""

import shlex
import subprocess
import sys

import pytest

from tests.live import PROJECT_ROOT

PROGRAM = """
import os, signal
from inkwell.apache.stop_signals import StopSignals
stop = StopSignals()
os.kill(os.getpid(), signal.{name})
print("stopped" if stop.wait(0.3) else "went on")
"""


def outcome(command: list[str]) -> str:
    return subprocess.run(
        command, cwd=PROJECT_ROOT / "service", start_new_session=True, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=30, check=True,
    ).stdout.strip()  # fmt: skip


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGWINCH"])
def test_without_a_terminal_each_of_them_stops(name: str) -> None:
    assert outcome([sys.executable, "-c", PROGRAM.format(name=name)]) == "stopped"


@pytest.mark.parametrize(("name", "expected"), [("SIGTERM", "stopped"), ("SIGWINCH", "went on")])
def test_on_a_terminal_a_change_of_the_window_stops_nothing(name: str, expected: str) -> None:
    program = shlex.join([sys.executable, "-c", PROGRAM.format(name=name)])
    assert outcome(["script", "-qefc", program, "/dev/null"]) == expected


def test_nohup_keeps_its_meaning() -> None:
    assert outcome(["nohup", sys.executable, "-c", PROGRAM.format(name="SIGHUP")]) == "went on"
