"""The image that `make image` builds is the one that the chart uses."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.helm.chart import OPEN, ROOT, Chart

pytestmark = [pytest.mark.slow, pytest.mark.parallel]
ENGINE = """#!/bin/sh
[ "$1" = info ] || printf '%s\\n' "$@"
"""


def built(folder: Path, *arguments: str) -> list[str]:
    """Return the tags that `make image` passes to an engine, using a fake engine that records its arguments."""
    engine = folder / "engine"
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    variables = {name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "image", f"ENGINE={engine}", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=True)
    words = done.stdout.splitlines()
    return [words[index + 1] for index, word in enumerate(words) if word == "--tag"]


def image(chart: Chart, **values: object) -> str:
    return chart.render(OPEN | values).container["image"]


def test_for_processors(chart: Chart, tmp_path: Path):
    assert built(tmp_path)[0] == image(chart)


def test_for_gpus(chart: Chart, tmp_path: Path):
    assert built(tmp_path, "DEVICE=cuda") == [image(chart, gpu={"enabled": True})]
