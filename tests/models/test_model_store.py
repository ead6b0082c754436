"""The models directory as the web tier reads it: what counts as a change of a model, and what does not."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from inkwell.errors import ModelCorrupt
from inkwell.models.model_store import Model, ModelStore
from tests.servable import save_servable, save_tokenizer

HOUR_NS = 3_600_000_000_000


def later() -> int:
    """A clock far ahead, so that no change is recent."""
    return time.time_ns() + HOUR_NS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model with additional files that are not served."""
    folder = tmp_path / "models" / "mine"
    save_servable(folder)
    for name in ("training.json", "README.md", "notes.txt", "inkwell.json", "generation_config.json"):
        (folder / name).write_text("{}")
    for file in folder.iterdir():
        os.utime(file, (1, 1))
    return folder


def reloaded(folder: Path, change: Callable[[], object], clock_ns: Callable[[], int] = later) -> Model | None:
    """The model after a change, if it is a different object than before."""
    store = ModelStore(folder.parent, clock_ns=clock_ns)
    before = store.find("mine")
    assert store.find("mine") is before
    change()
    after = store.find("mine")
    return None if after is before else after


@pytest.mark.parametrize("name", ["training.json", "README.md", "notes.txt", "inkwell.json", "generation_config.json"])
@pytest.mark.parametrize("touch", [os.utime, Path.unlink, lambda file: file.write_text("another")])
def test_a_file_that_is_not_served_from_may_change(folder: Path, name: str, touch: Callable[[Path], object]):
    assert reloaded(folder, lambda: touch(folder / name)) is None


def test_a_file_that_is_not_served_from_may_be_added(folder: Path):
    assert reloaded(folder, lambda: (folder / "adapter.safetensors").touch()) is None


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_file_that_the_model_is_served_from_counts(folder: Path, name: str):
    assert reloaded(folder, lambda: os.utime(folder / name)) is not None


def test_a_file_that_a_link_leads_to_counts(folder: Path, tmp_path: Path):
    for name in ("first", "second"):
        shutil.copy2(folder / "config.json", tmp_path / name)
    os.utime(tmp_path / "second", (2, 2))
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to(tmp_path / "first")

    def turn() -> None:
        (folder / "config.json").unlink()
        (folder / "config.json").symlink_to(tmp_path / "second")

    assert reloaded(folder, turn) is not None
    assert reloaded(folder, lambda: os.utime(tmp_path / "second", (3, 3))) is not None


def test_a_tokenizer_of_one_file_takes_the_place_of_one_of_two(folder: Path):
    def replace() -> None:
        (folder / "tokenizer.json").rename(folder / "other")
        for name in ("vocab.json", "merges.txt"):
            (folder / name).touch()

    assert reloaded(folder, replace) is not None
    assert reloaded(folder, lambda: save_tokenizer(folder)) is not None


def test_a_folder_that_is_exchanged_as_a_whole_is_read_anew(folder: Path):
    def exchange() -> None:
        folder.rename(folder.parent / ".old")
        save_servable(folder, context=512)

    model = reloaded(folder, exchange)
    assert model is not None and model.config.context == 512


def test_a_change_within_one_tick_of_the_clock_is_not_missed(folder: Path):
    """The same size and the same time, as a file system with coarse time stamps would show it."""
    now = time.time()
    config = folder / "config.json"
    os.utime(config, (now, now))

    def rewrite() -> None:
        config.write_text(config.read_text().replace("1024", "1023"))
        os.utime(config, (now, now))

    model = reloaded(folder, rewrite, time.time_ns)
    assert model is not None and model.config.context == 1023


def test_a_model_that_is_being_copied_is_read_at_each_state(folder: Path):
    store = ModelStore(folder.parent)
    whole = (folder / "config.json").read_text()
    (folder / "config.json").write_text(whole[:20])
    with pytest.raises(ModelCorrupt):
        store.find("mine")
    (folder / "config.json").write_text(whole)
    assert store.find("mine").config.context == 1024
    shutil.rmtree(folder)
    assert store.folder("mine") is None


def test_an_alias_means_its_model(folder: Path):
    store = ModelStore(folder.parent, {"yours": "mine"})
    assert store.find("yours") is store.find("mine")


@pytest.mark.parametrize(
    ("note", "revision"),
    [('{"hub_id": "a/b", "revision": "607a30d783dfa663"}', "607a30d7"), ('{"revision": "607a"}', None), ("[", None)],
)
def test_a_model_knows_the_revision_that_the_downloader_noted(folder: Path, note: str, revision: str | None):
    (folder / "inkwell.json").write_text(note)
    assert ModelStore(folder.parent).find("mine").revision == revision
