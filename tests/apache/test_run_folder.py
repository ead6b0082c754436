"""The launcher's private run folder, and removal of those that killed launchers left."""

import os
import time
from pathlib import Path

import pytest

from inkwell.apache.run_folder import PREFIX, SETTLED_S, run_folder
from inkwell.errors import SettingsError


def age(folder: Path) -> None:
    past = time.time() - SETTLED_S - 1
    os.utime(folder, (past, past))


def test_the_folder_is_private_and_goes_with_everything_in_it(tmp_path: Path) -> None:
    with run_folder(tmp_path) as folder:
        (folder / "file").touch()
        assert folder.stat().st_mode & 0o007 == 0
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_launcher_is_removed(tmp_path: Path) -> None:
    orphan = tmp_path / f"{PREFIX}orphan"
    (orphan / "below").mkdir(parents=True)
    age(orphan)
    with run_folder(tmp_path):
        assert not orphan.exists()


def test_the_folder_of_a_living_launcher_stays(tmp_path: Path) -> None:
    with run_folder(tmp_path) as living:
        age(living)
        with run_folder(tmp_path):
            assert living.exists()


def test_a_folder_that_was_made_a_moment_ago_stays(tmp_path: Path) -> None:
    new = tmp_path / f"{PREFIX}new"
    new.mkdir()
    with run_folder(tmp_path):
        assert new.exists()


def test_a_parent_that_cannot_hold_folders_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="absent"), run_folder(tmp_path / "absent"):
        pass
