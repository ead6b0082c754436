"""The catalog: known models and the folders below the models directory."""

import os
import re
from pathlib import Path

import pytest

from inkwell.checkpoints.catalog import ALIASES, KNOWN_MODELS, known_model, scan

SERVABLE = ("config.json", "tokenizer.json", "model.safetensors")


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
