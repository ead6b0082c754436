"""The catalog: known models and the folders below the models directory."""

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from inkwell.checkpoints.catalog import ALIASES, KNOWN_MODELS, Catalog, known_model, scan, served_files

SERVABLE = ("config.json", "tokenizer.json", "model.safetensors")
HOUR_NS = 3_600_000_000_000
TICK_S = 0.02  # longer than the resolution of a file system's time stamps


def make(folder: Path, *files: str) -> None:
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).touch()


def test_the_published_models_have_the_names_of_the_old_service_and_pinned_revisions():
    assert [known.name for known in KNOWN_MODELS] == ["124M", "355M", "774M", "1558M", "gpt-j-6B"]
    assert all(re.fullmatch("[0-9a-f]{40}", known.revision) for known in KNOWN_MODELS)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("124M", "124M"),
        ("gpt2", "124M"),
        ("gpt2-medium", "355M"),
        ("gpt2-large", "774M"),
        ("gpt2-xl", "1558M"),
        ("openai-community/gpt2-xl", "1558M"),
        ("EleutherAI/gpt-j-6b", "gpt-j-6B"),
        ("gptj", "gpt-j-6B"),
    ],
)
def test_a_known_model_is_found_by_its_name_and_its_aliases(name: str, meant: str):
    assert known_model(name).name == meant


def test_hub_names_are_aliases_and_no_alias_means_two_models():
    assert all(known.hub_id in known.aliases for known in KNOWN_MODELS)
    assert len(ALIASES) == sum(len(known.aliases) for known in KNOWN_MODELS)
    assert not ALIASES.keys() & {known.name for known in KNOWN_MODELS}


@pytest.mark.parametrize("name", ["", "124m", "gpt3", "124M ", "../124M"])
def test_other_names_are_not_known(name: str):
    assert known_model(name) is None


@pytest.mark.parametrize(
    ("files", "state"),
    [
        (SERVABLE, "available"),
        (("config.json", "vocab.json", "merges.txt", "model.safetensors"), "available"),
        (("config.json", "tokenizer.json", "model.safetensors.index.json"), "available"),
        ((*SERVABLE, "pytorch_model.bin"), "available"),
        (("config.json", "tokenizer.json", "pytorch_model.bin"), "needs_conversion"),
        (("config.json", "tokenizer.json", "pytorch_model-00001-of-00002.bin"), "needs_conversion"),
        (("tokenizer.json", "model.safetensors"), "incomplete"),
        (("config.json", "model.safetensors"), "incomplete"),
        (("config.json", "vocab.json", "model.safetensors"), "incomplete"),
        (("config.json", "tokenizer.json"), "incomplete"),
        (("README.md",), "incomplete"),
    ],
)
def test_a_folder_has_the_state_that_its_files_tell(tmp_path: Path, files: tuple[str, ...], state: str):
    make(tmp_path / "mine", *files)
    assert scan(tmp_path)["mine"].state == state


@pytest.mark.parametrize("name", [".incoming", "_cache", "with space", "naïve", "-option", "a" * 97, "line\nbreak"])
def test_folders_with_other_names_are_never_seen(tmp_path: Path, name: str):
    make(tmp_path / name, *SERVABLE)
    assert scan(tmp_path) == {}


def test_folders_come_sorted_by_name(tmp_path: Path):
    for name in ("b", "a.v1", "C-2", "a"):
        make(tmp_path / name, *SERVABLE)
    assert list(scan(tmp_path)) == ["C-2", "a", "a.v1", "b"]


def test_empty_folders_files_pipes_and_dead_links_are_no_models(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "README.md").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dead").symlink_to(tmp_path / "nowhere")
    assert scan(tmp_path) == {}


def test_a_link_that_leads_out_of_the_directory_is_passed_over(tmp_path: Path):
    make(tmp_path / "outside" / "secret", *SERVABLE)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "secret").symlink_to(tmp_path / "outside" / "secret")
    assert scan(tmp_path / "models") == {}


def test_a_link_to_another_model_is_a_second_name_for_it(tmp_path: Path):
    make(tmp_path / "mine", *SERVABLE)
    (tmp_path / "alias").symlink_to("mine")
    assert list(scan(tmp_path)) == ["alias", "mine"]


def test_the_models_directory_itself_may_be_a_link(tmp_path: Path):
    make(tmp_path / "disk" / "mine", *SERVABLE)
    (tmp_path / "models").symlink_to(tmp_path / "disk")
    assert list(scan(tmp_path / "models")) == ["mine"]


def test_an_absent_directory_holds_no_models(tmp_path: Path):
    assert scan(tmp_path / "nowhere") == {}


def test_a_new_folder_is_seen_at_once(tmp_path: Path):
    assert scan(tmp_path) == {}
    make(tmp_path / "new", *SERVABLE)
    assert list(scan(tmp_path)) == ["new"]


def test_a_loop_of_links_is_passed_over(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "fine").mkdir()
    (tmp_path / "fine" / "config.json").touch()
    assert list(scan(tmp_path)) == ["fine"]
    assert scan(tmp_path / "loop") == {}


def later() -> int:
    """A clock far ahead, so that no change is recent."""
    return time.time_ns() + HOUR_NS


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every directory that was listed."""
    listed: list[Path] = []
    original = Path.iterdir

    def iterdir(path: Path) -> object:
        listed.append(path)
        return original(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    return listed


def test_directories_that_have_not_changed_are_not_listed_again(tmp_path: Path, listings: list[Path]):
    for name in ("one", "two"):
        make(tmp_path / name, *SERVABLE)
    catalog = Catalog(tmp_path, later)
    first = catalog.folders()
    listings.clear()
    assert catalog.folders() == first and catalog.folder("two") == first["two"] and not listings
    time.sleep(TICK_S)
    (tmp_path / "one" / "note").touch()
    assert catalog.files("one") == {*SERVABLE, "note"} and listings == [tmp_path / "one"]


def test_a_directory_that_changed_just_now_is_listed_each_time(tmp_path: Path, listings: list[Path]):
    make(tmp_path / "one", *SERVABLE)  # another change may come within the same tick of the clock
    catalog = Catalog(tmp_path)
    for _ in range(2):
        listings.clear()
        assert catalog.folder("one") and listings == [tmp_path, tmp_path / "one"]


CHANGES: dict[str, tuple[Callable[[Path], object], dict[str, str]]] = {
    "a folder is added": (lambda root: make(root / "new", *SERVABLE), {"new": "available", "one": "available"}),
    "one is renamed": (lambda root: (root / "one").rename(root / "uno"), {"uno": "available"}),
    "one is removed": (lambda root: shutil.rmtree(root / "one"), {}),
    "one is hidden": (lambda root: (root / "one").rename(root / ".one"), {}),
    "a file is removed": (lambda root: (root / "one" / "config.json").unlink(), {"one": "incomplete"}),
    "a file is renamed": (lambda root: (root / "one" / "model.safetensors").rename(root / "one" / "pytorch_model.bin"),
                          {"one": "needs_conversion"}),
    "all are removed": (lambda root: [file.unlink() for file in (root / "one").iterdir()], {}),
    "one is exchanged": (lambda root: (root / "one").rename(root.parent / "old")
                         and make(root / "one", "config.json", "tokenizer.json"), {"one": "incomplete"}),
    "a link is turned": (lambda root: [(root / "one").rename(root / "two"), (root / "one").symlink_to(root.parent)],
                         {"two": "available"}),
}  # fmt: skip


@pytest.mark.parametrize("clock", [time.time_ns, later], ids=["just now", "long ago"])
@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen_by_the_next_look(tmp_path: Path, change: str, clock: Callable[[], int]):
    make(tmp_path / "models" / "one", *SERVABLE)
    catalog = Catalog(tmp_path / "models", clock)
    assert {name: folder.state for name, folder in catalog.folders().items()} == {"one": "available"}
    if clock is later:
        time.sleep(TICK_S)
    act, expected = CHANGES[change]
    act(tmp_path / "models")
    assert {name: folder.state for name, folder in catalog.folders().items()} == expected
    assert {name for name in ("one", "two", "new", "uno") if catalog.folder(name)} == set(expected)


def test_a_folder_is_seen_in_every_state_while_it_is_copied(tmp_path: Path):
    catalog = Catalog(tmp_path)
    (tmp_path / "copy").mkdir()
    states = []
    for name in SERVABLE:
        (tmp_path / "copy" / name).touch()
        os.utime(tmp_path / "copy", (1, 1))  # as `cp -a` leaves the time of the folder
        states.append(catalog.folders()["copy"].state)
    assert states == ["incomplete", "incomplete", "available"]


def test_a_link_is_followed_anew_when_its_target_or_what_it_leads_through_changes(tmp_path: Path):
    make(tmp_path / "models" / "mine", *SERVABLE)
    make(tmp_path / "models" / "half", "config.json")
    (tmp_path / "by-way").symlink_to(tmp_path / "models" / "mine")
    (tmp_path / "models" / "alias").symlink_to(tmp_path / "by-way")
    catalog = Catalog(tmp_path / "models", later)
    states = [catalog.folders()["alias"].state]
    time.sleep(TICK_S)
    (tmp_path / "by-way").unlink()
    (tmp_path / "by-way").symlink_to(tmp_path / "models" / "half")
    states.append(catalog.folders()["alias"].state)
    time.sleep(TICK_S)
    for name in SERVABLE:
        (tmp_path / "models" / "half" / name).touch()
    states.append(catalog.folders()["alias"].state)
    assert states == ["available", "incomplete", "available"]
    (tmp_path / "by-way").unlink()
    (tmp_path / "by-way").symlink_to(tmp_path)
    assert "alias" not in catalog.folders() and catalog.folder("alias") is None


def test_the_models_directory_may_become_a_link_to_another(tmp_path: Path):
    make(tmp_path / "a" / "one", *SERVABLE)
    make(tmp_path / "b" / "two", *SERVABLE)
    (tmp_path / "models").symlink_to(tmp_path / "a")
    catalog = Catalog(tmp_path / "models", later)
    assert list(catalog.folders()) == ["one"]
    (tmp_path / "models").unlink()
    assert catalog.folders() == {}
    (tmp_path / "models").symlink_to(tmp_path / "b")
    assert list(catalog.folders()) == ["two"]


@pytest.mark.parametrize(
    ("files", "served"),
    [
        (SERVABLE, SERVABLE),
        ((*SERVABLE, "vocab.json", "merges.txt", "training.json", "README.md", "inkwell.json"), SERVABLE),
        ((*SERVABLE, "model.safetensors.index.json", "model-1.safetensors", "adapter.safetensors"), SERVABLE),
        (
            ("config.json", "vocab.json", "merges.txt", "model.safetensors", "generation_config.json", "notes.txt"),
            ("config.json", "vocab.json", "merges.txt", "model.safetensors"),
        ),
        (
            (
                "config.json",
                "tokenizer.json",
                "model.safetensors.index.json",
                "a.safetensors",
                "b.safetensors",
                "b.bin",
            ),
            ("config.json", "tokenizer.json", "model.safetensors.index.json", "a.safetensors", "b.safetensors"),
        ),
    ],
)
def test_a_model_is_served_from_config_tokenizer_and_weights_alone(files: tuple[str, ...], served: tuple[str, ...]):
    assert set(served_files(frozenset(files))) == set(served)
