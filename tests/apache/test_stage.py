"""Copies and links of code and models for an account that may not read the checkout."""

from pathlib import Path

import pytest

from inkwell.apache.stage import ModelMirror, stage_code


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    add_model(folder, "demo")
    return folder


@pytest.fixture
def mirror(source: Path, tmp_path: Path) -> ModelMirror:
    mirror = ModelMirror(source, tmp_path / "mirror")
    mirror.sync(settled_only=False)
    return mirror


def add_model(models: Path, name: str, weights: bytes = b"weights") -> Path:
    folder = models / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_models_are_linked_and_take_no_room(source: Path, mirror: ModelMirror, tmp_path: Path) -> None:
    linked = tmp_path / "mirror" / "demo" / "model.safetensors"
    assert linked.samefile(source / "demo" / "model.safetensors")


def test_a_file_that_only_its_owner_may_read_is_copied_and_stays_private(source: Path, tmp_path: Path) -> None:
    private = source / "demo" / "model.safetensors"
    private.chmod(0o600)
    ModelMirror(source, tmp_path / "mirror").sync(settled_only=False)
    copy = tmp_path / "mirror" / "demo" / "model.safetensors"

    assert copy.read_bytes() == b"weights"
    assert copy.stat().st_mode & 0o777 == 0o644
    assert private.stat().st_mode & 0o777 == 0o600
    assert not copy.samefile(private)


def test_a_new_folder_appears_once_it_did_not_change_between_two_passes(
    source: Path, mirror: ModelMirror, tmp_path: Path
) -> None:
    weights = add_model(source, "mine", b"half") / "model.safetensors"
    mirror.sync(settled_only=True)
    assert names(tmp_path / "mirror") == {"demo"}
    weights.write_bytes(b"half and half")
    mirror.sync(settled_only=True)
    assert names(tmp_path / "mirror") == {"demo"}
    mirror.sync(settled_only=True)
    assert (tmp_path / "mirror" / "mine" / "model.safetensors").read_bytes() == b"half and half"


def test_a_replaced_file_is_taken_over(source: Path, mirror: ModelMirror, tmp_path: Path) -> None:
    (source / "demo" / "new").write_bytes(b"better weights")
    (source / "demo" / "new").rename(source / "demo" / "model.safetensors")
    mirror.sync(settled_only=False)
    assert (tmp_path / "mirror" / "demo" / "model.safetensors").read_bytes() == b"better weights"


def test_a_removed_folder_vanishes(source: Path, mirror: ModelMirror, tmp_path: Path) -> None:
    (source / "demo").rename(source / ".hidden")
    mirror.sync(settled_only=True)
    assert names(tmp_path / "mirror") == set()


def test_leftovers_of_a_killed_launcher_are_removed(mirror: ModelMirror, tmp_path: Path) -> None:
    add_model(tmp_path / "mirror", ".new-abc")
    mirror.sync(settled_only=True)
    assert names(tmp_path / "mirror") == {"demo"}


def test_an_unchanged_folder_is_left_alone(mirror: ModelMirror, tmp_path: Path) -> None:
    before = (tmp_path / "mirror" / "demo").stat().st_ino
    mirror.sync(settled_only=True)
    mirror.sync(settled_only=False)
    assert (tmp_path / "mirror" / "demo").stat().st_ino == before


def test_code_is_copied_and_open_to_everybody(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir(mode=0o700)
    (package / "module.py").write_text("VALUE = 1\n")
    (package / "module.py").chmod(0o600)
    stage_code(package, tmp_path / "root")
    copy = tmp_path / "root" / "package"

    assert (copy / "module.py").stat().st_mode & 0o777 == 0o644
    assert copy.stat().st_mode & 0o777 == 0o755
    assert list(copy.glob("__pycache__/module.*.pyc"))
