"""Fixtures of the engine's tests: saved tiny models to copy and corrupt, and one thread for tiny products."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.engine.tiny import save_tiny


@pytest.fixture
def one_thread() -> Iterator[None]:
    """With more threads each tiny product waits at a barrier for a core that another process may hold."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One saved model of each kind."""
    root = tmp_path_factory.mktemp("originals")
    save_tiny(root / "gpt2")
    save_tiny(root / "gptj", "gptj")
    save_tiny(root / "untied", tie_word_embeddings=False)
    save_tiny(root / "sharded", max_shard_size="30KB")
    return {path.name: path for path in root.iterdir()}


@pytest.fixture
def copy(originals: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Returns a folder of that kind that the test may corrupt."""
    return lambda kind: Path(shutil.copytree(originals[kind], tmp_path / kind))
