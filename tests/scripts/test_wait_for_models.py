"""The wait for models: it ends with the last model, at once if a model is wrong, and on a stop signal."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from inkwell.checkpoints.catalog import ORIGIN_FILE, known_model
from scripts.wait_for_models import parse, source, wait
from tests.live import as_nobody_special, public_folder
from tests.scripts.checkpoints import PROJECT_ROOT

OLD, NEW = "1" * 40, "2" * 40
KNOWN = known_model("124M")
LIMIT_S = 30
PROGRAM = ("-m", "scripts.wait_for_models")
# Looks again long after LIMIT_S.
PATIENT = ("-c", "import sys, scripts.wait_for_models as script; script.LOOK_EVERY_S = 600; sys.exit(script.main())")


def lay(folder: Path, hub_id: str = "", revision: str = OLD) -> None:
    """Create a model folder by one rename, with a record of its origin if it was downloaded."""
    gathering = folder.with_name(f".{folder.name}")
    gathering.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (gathering / name).touch()
    if hub_id:
        (gathering / ORIGIN_FILE).write_text(json.dumps({"hub_id": hub_id, "revision": revision}))
    gathering.rename(folder)


def status(models: Path, *arguments: str) -> int:
    return wait(parse([f"--models-dir={models}", *arguments]))


@contextmanager
def waiting(models: Path, *arguments: str, program: Sequence[str] = PROGRAM) -> Iterator[subprocess.Popen[str]]:
    """The script as a pod starts it, without a terminal, from when it has said what it waits for."""
    command = [sys.executable, *program, f"--models-dir={models}", *arguments]
    process = subprocess.Popen(
        command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout and process.stdout.readline().startswith("waiting for ")
        yield process
    finally:
        process.kill()
        process.communicate()


def test_models_that_are_there_are_not_waited_for(tmp_path: Path):
    lay(tmp_path / "tales", "someone/tales")
    lay(tmp_path / "own")
    assert status(tmp_path, "--from=tales=someone/tales", "tales", "own") == 0


def test_a_new_image_with_another_pin_takes_what_is_there(tmp_path: Path):
    assert KNOWN.revision != OLD
    lay(tmp_path / "124M", KNOWN.hub_id, OLD)
    assert status(tmp_path, "--from=124M=124M", "124M") == 0


def test_an_alias_is_the_model_that_it_stands_for(tmp_path: Path):
    lay(tmp_path / "124M", KNOWN.hub_id, KNOWN.revision)
    assert status(tmp_path, "--from=124M=gpt2", "gpt2") == 0


WRONG = {
    "--from=tales=someone/tales@" + NEW: f"tales contains someone/tales at {OLD}, but should be someone/tales at {NEW}",
    "--from=tales=another/tales": "but should be another/tales",
    "--from=own=someone/own": "own contains files of unknown origin",
    "--from=124M=355M": "but should be openai-community/gpt2-medium: ",
    f"--from=124M=124M@{NEW}": f"should be {KNOWN.hub_id} at {NEW}",
}


@pytest.mark.parametrize("argument", WRONG)
def test_a_model_from_elsewhere_is_an_error_also_where_nothing_waits_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argument: str
):
    lay(tmp_path / "tales", "someone/tales")
    lay(tmp_path / "own")
    lay(tmp_path / "124M", KNOWN.hub_id)
    assert status(tmp_path, argument, "not-there") == 1
    said = capsys.readouterr().err
    assert WRONG[argument] in said and "give the new one another name" in said


def test_a_folder_that_is_not_there_yet_comes_from_nowhere(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    lay(tmp_path / "own")
    assert status(tmp_path, "--from=absent=someone/absent", "--from=empty=someone/empty", "own") == 0


def test_what_is_no_folder_ends_the_wait_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "tales").touch()
    assert status(tmp_path, f"--from=tales=someone/tales@{NEW}", "tales") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"tales should be someone/tales at {NEW} but cannot be read (Not a directory): ")


def test_a_folder_that_may_not_be_read_ends_the_wait_with_a_sentence(capsys: pytest.CaptureFixture[str]):
    with public_folder() as models:
        lay(models / "tales", "someone/tales")
        (models / "tales").chmod(0)
        with as_nobody_special():
            assert status(models, "--from=tales=someone/tales", "tales") == 1
    assert "tales should be someone/tales but cannot be read (Permission denied): " in capsys.readouterr().err


@pytest.mark.parametrize("text", ["tales", "=someone/tales", "tales=", "tales=@x"])
def test_a_source_needs_a_folder_and_a_name(text: str):
    with pytest.raises(Exception, match="is not FOLDER=NAME"):
        source(text)


@pytest.mark.slow
def test_it_ends_with_the_last_model(tmp_path: Path):
    with waiting(tmp_path, "124M", "tales") as process:
        lay(tmp_path / "124M")
        assert process.stdout.readline() == "waiting for tales\n"
        lay(tmp_path / "tales")
        assert process.wait(LIMIT_S) == 0


@pytest.mark.slow
def test_it_ends_when_a_model_from_elsewhere_appears(tmp_path: Path):
    with waiting(tmp_path, f"--from=tales=someone/tales@{NEW}", "tales") as process:
        lay(tmp_path / "tales", "someone/tales", OLD)
        assert process.wait(LIMIT_S) == 1
        assert f"should be someone/tales at {NEW}" in process.stderr.read()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGWINCH, signal.SIGTERM])
def test_a_stop_signal_ends_it_at_once(tmp_path: Path, number: signal.Signals):
    with waiting(tmp_path, "misspelt", program=PATIENT) as process:
        process.send_signal(number)
        assert process.wait(LIMIT_S) == 130
        assert process.stderr.read() == ""
