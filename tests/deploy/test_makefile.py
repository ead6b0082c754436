"""The make targets of a new user: what they run, what they print, and that a second run is fast."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
import requests

from tests.live import PROJECT_ROOT, free_port

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("INKWELL_", "MAKE", "MFLAGS"))}
MAKEFILE = (PROJECT_ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^\.PHONY: (\S+)\n\1:", MAKEFILE, re.MULTILINE)


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments],
        cwd=PROJECT_ROOT,
        env=ENVIRONMENT | variables,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def test_make_alone_lists_every_target() -> None:
    lines = make().stdout
    assert {"serve", "dev", "test", "test-fast", "lint", "fmt", "model", "clean", "help"} <= set(TARGETS)
    for target in TARGETS:
        assert re.search(rf"^  make {target} +\S", lines, re.MULTILINE), target


@pytest.mark.parametrize("user", ["", "sudo"], ids=["root", "a user with sudo"])
@pytest.mark.parametrize("target", TARGETS)
def test_every_command_of_a_target_is_well_formed(target: str, user: str) -> None:
    commands = make("--dry-run", "--always-make", target, f"SUDO={user}", "NAME=124M").stdout
    assert commands
    parsed = subprocess.run(["bash", "-n"], input=commands, capture_output=True, text=True, check=False)
    assert (parsed.returncode, parsed.stderr) == (0, "")


def test_port_and_model_become_settings() -> None:
    commands = make("--dry-run", "serve", "PORT=9123", "MODEL=124M").stdout
    assert "INKWELL_PORT='9123' INKWELL_DEFAULT_MODEL='124M' INKWELL_PRELOAD='124M'" in commands


def test_without_port_and_model_the_settings_of_the_environment_count() -> None:
    commands = make(
        "--dry-run", "serve", INKWELL_DEFAULT_MODEL="355M", INKWELL_PORT="9123", INKWELL_PRELOAD="demo"
    ).stdout
    assert "INKWELL_DEFAULT_MODEL='355M' INKWELL_PRELOAD='demo'" in commands
    assert "INKWELL_PORT" not in commands  # make passes it on unchanged


def test_a_model_needs_a_name() -> None:
    assert "no model given" in make("--dry-run", "model").stdout
    assert "scripts/download_model.py 124M" in make("--dry-run", "model", "NAME=124M").stdout


def test_the_continuous_integration_script_is_executable_and_well_formed() -> None:
    script = PROJECT_ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)


@contextmanager
def make_serve(port: int) -> Iterator[subprocess.Popen[str]]:
    """Run `make serve`; stop its launcher at the end of the block."""
    process = subprocess.Popen(
        ["make", "serve", f"PORT={port}"], cwd=PROJECT_ROOT, env=ENVIRONMENT, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        for child in psutil.Process(process.pid).children():
            child.terminate()
        process.communicate(timeout=60)


def first_answer(port: int) -> str:
    """Return the default model's text as soon as the service answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            parameters = {"input_text": "Once upon a time", "length": 5}
            return requests.get(f"http://127.0.0.1:{port}/text-generate", params=parameters, timeout=60).text
        except requests.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(1200)  # the tests may run in an environment that make did not set up
def test_when_everything_is_set_up_the_first_answer_comes() -> None:
    make("serve-ready")
    port = free_port()
    with make_serve(port) as process:
        text = first_answer(port)
    assert text and not text.startswith("{")
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_second_set_up_costs_nothing() -> None:
    make("serve-ready")
    second = make("serve-ready")
    assert second.returncode == 0
    assert second.stdout == ""
