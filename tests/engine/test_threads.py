"""The number of threads of a worker: the setting, otherwise as many as the quota allows."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from inkwell.engine import loading
from inkwell.engine.contract import EngineConfig
from inkwell.engine.loading import load_model

CORES = 4


@pytest.mark.parametrize(
    ("setting", "quota", "threads"),
    [(0, None, CORES), (0, 3, 3), (0, 1, 1), (0, CORES + 28, CORES), (2, 1, 2), (CORES + 1, None, CORES + 1)],
)
@pytest.mark.usefixtures("one_thread")
def test_a_quota_bounds_the_threads_unless_the_setting_names_a_number(
    monkeypatch: pytest.MonkeyPatch, copy: Callable[[str], Path], setting: int, quota: int | None, threads: int
):
    opened: list[int] = []  # the native kernels' own threads
    monkeypatch.setattr(loading, "open_kernels", opened.append)
    monkeypatch.setattr(loading, "processors", lambda: quota)
    torch.set_num_threads(CORES)
    load_model(copy("gpt2"), EngineConfig(device="cpu", dtype="float32", threads=setting))
    assert torch.get_num_threads() == threads and opened == [threads]
