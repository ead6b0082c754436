"""The real `scripts/download_model.py`, as a process, against the imitation hub in `tests/scripts/hub.py`."""

import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from inkwell.checkpoints.catalog import known_model, scan
from scripts.download_model import MODELS_DIR, parse
from tests.scripts.checkpoints import (
    PROJECT_ROOT,
    SCRIPT,
    command,
    run,
    sharded_files,
    text_files,
    tiny_files,
)
from tests.scripts.desk import API, COMMIT, Desk, assert_refused, assert_whole
from tests.scripts.hub import Fault, Repository, sha256

pytestmark = [pytest.mark.slow, pytest.mark.parallel]  # nearly every test starts a process


# --- what is downloaded -----------------------------------------------------------------------------------------------
def test_a_known_model_comes_at_its_pinned_revision_into_a_folder_of_its_name(desk: Desk) -> None:
    known = known_model("124M")
    assert known is not None
    desk.hub.repositories[known.hub_id] = Repository(tiny_files(), known.revision)
    done = desk.download("gpt2")
    assert done.returncode == 0, done.stderr
    assert scan(desk.models)["124M"].state == "available"
    assert all(known.revision in seen.path for seen in desk.hub.seen if seen.server == "hub")


def test_only_files_that_a_checkpoint_needs_are_fetched(desk: Desk) -> None:
    assert desk.download().returncode == 0
    names = {path.name for path in desk.target.iterdir()}
    assert names == {*text_files(), "model.safetensors", "inkwell.json"}
    assert_whole(desk)


def test_the_record_names_origin_revision_and_every_file(desk: Desk) -> None:
    desk.download()
    record = json.loads((desk.target / "inkwell.json").read_text())
    assert (record["hub_id"], record["revision"]) == ("acme/tiny", COMMIT)
    assert record["downloaded"].endswith("+00:00")
    content = desk.repository.files["model.safetensors"]
    assert record["files"]["model.safetensors"] == {"size_bytes": len(content), "sha256": sha256(content)}
    assert set(record["files"]) == {*text_files(), "model.safetensors"}


def test_shards_come_with_their_index(desk: Desk) -> None:
    desk.repository.files = sharded_files()
    assert desk.download().returncode == 0
    assert_whole(desk)
    assert {path.name for path in desk.target.iterdir()} == {*sharded_files(), "inkwell.json"}


def test_the_newest_revision_is_resolved_once_and_printed(desk: Desk) -> None:
    done = desk.download()
    assert COMMIT in done.stderr
    assert [seen.path for seen in desk.hub.seen if seen.path.startswith("/api/")] == [API]
    assert all(COMMIT in seen.path for seen in desk.hub.seen if "/resolve/" in seen.path)


def test_a_given_revision_and_folder_name_are_obeyed(desk: Desk) -> None:
    done = desk.download("acme/tiny", "--revision", COMMIT, "--as", "mine")
    assert done.returncode == 0, done.stderr
    assert [seen.path for seen in desk.hub.seen if seen.path.startswith("/api/")] == [f"{API}/revision/{COMMIT}"]
    assert scan(desk.models).keys() == {"mine"}


@pytest.mark.parametrize(
    ("name", "folder", "hub_id"),
    [
        ("124M", "124M", "openai-community/gpt2"),
        ("gpt2-xl", "1558M", "openai-community/gpt2-xl"),
        ("EleutherAI/gpt-j-6b", "gpt-j-6B", "EleutherAI/gpt-j-6b"),
        ("acme/tiny", "tiny", "acme/tiny"),
    ],
)
def test_names_and_aliases_lead_to_folder_and_repository(name: str, folder: str, hub_id: str) -> None:
    options = parse([name])
    assert [(request.name, request.hub_id) for request in options.requests] == [(folder, hub_id)]
    assert options.models_dir == MODELS_DIR == PROJECT_ROOT / "models"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give names"),
        (["125M"], "known are 124M, 355M"),
        (["../../etc/passwd"], "is not a known model"),
        (["acme/.."], "is not a known model"),
        (["acme/tiny/more"], "is not a known model"),
        (["acme/tiny", "--as", "../up"], "--as '../up'"),
        (["acme/tiny", "--as", ".hidden"], "--as '.hidden'"),
        (["acme/tiny", "--revision", "main"], "not a branch, which may move"),
        (["124M", "355M", "--as", "both"], "require exactly one NAME"),
        (["124M", "--convert", "x"], "give names"),
        (["124M", "--delete-original"], "requires --convert"),
        (["124M", "--retries", "-1"], "0 or more"),
    ],
)
def test_a_wrong_command_line_is_refused_with_the_reason(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(arguments)
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


def test_one_failure_does_not_stop_the_other_models(desk: Desk) -> None:
    done = desk.download("acme/none", "acme/tiny", "--retries", "0")
    assert done.returncode == 1
    assert_whole(desk)


def test_without_the_virtual_environment_one_line_names_the_command(tmp_path: Path) -> None:
    # -S leaves out every installed package, as a bare python3 would
    done = run([sys.executable, "-S", str(SCRIPT), "124M"], {"PATH": os.defpath})
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"run `make model NAME=124M` in {PROJECT_ROOT}" in done.stderr


def test_a_terminal_sees_a_progress_bar(desk: Desk) -> None:
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (24, 100))
    process = subprocess.Popen(command(desk.models, "acme/tiny"), env=desk.environment(), stderr=writer)
    os.close(writer)
    seen = b""
    while chunk := _read_or_end(reader):
        seen += chunk
    assert process.wait(timeout=30) == 0
    assert b"tiny: 100%" in seen


def _read_or_end(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # on Linux, this means that the other end of the pty is closed
        return b""


# --- the token --------------------------------------------------------------------------------------------------------
def test_the_token_goes_to_the_hub_and_never_to_another_host(desk: Desk) -> None:
    assert desk.download(HF_TOKEN="hf_secret").returncode == 0
    assert {seen.authorization for seen in desk.hub.seen if seen.server == "hub"} == {"Bearer hf_secret"}
    assert {seen.authorization for seen in desk.hub.seen if seen.server == "cdn"} == {None}


def test_a_redirect_of_the_listing_to_another_host_carries_no_token(desk: Desk) -> None:
    desk.hub.faults[API] = [Fault(redirect_to=f"{desk.hub.cdn_url}{API}?blobs=True")]
    assert desk.download(HF_TOKEN="hf_secret").returncode == 0
    listings = [(seen.server, seen.authorization) for seen in desk.hub.seen if seen.path == API]
    assert listings == [("hub", "Bearer hf_secret"), ("cdn", None)]


def test_a_malformed_token_is_not_printed(desk: Desk) -> None:
    done = desk.download(HF_TOKEN="hf_sec\x0bret")
    assert_refused(done, "HF_TOKEN contains characters")
    assert "hf_sec" not in done.stderr


# --- refusals ---------------------------------------------------------------------------------------------------------
def test_a_revision_that_does_not_exist_is_said_not_to(desk: Desk) -> None:
    assert_refused(desk.download("acme/tiny", "--revision", "f" * 40), "no revision " + "f" * 40)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"endpoint": "http://127.0.0.1:9"}, ["cannot reach http://127.0.0.1:9", "set HF_ENDPOINT", "copy a folder"]),
        ({"endpoint": "hub.example"}, ["cannot reach hub.example"]),
        ({"HF_HUB_OFFLINE": "1"}, ["HF_HUB_OFFLINE is set", "copy a folder", "demo model"]),
    ],
)
def test_without_a_hub_the_message_names_the_ways_out(desk: Desk, more: dict[str, str], words: list[str]) -> None:
    assert_refused(desk.download("acme/tiny", "--retries", "0", **more), *words)


def test_too_little_room_is_said_with_both_numbers_before_the_first_byte(desk: Desk) -> None:
    lfs = {"sha256": "0" * 64, "size": 10**18, "pointerSize": 134}
    desk.repository.stated["model.safetensors"] = {"size": 10**18, "lfs": lfs}
    assert_refused(desk.download(), "needs 1,000 PB more", "free")
    assert desk.hub.gets("/config.json") == []


def test_names_from_the_hub_never_become_paths_outside(desk: Desk) -> None:
    evil = {"../../evil.json": b"1", "/tmp/evil.json": b"2", "..": b"3", "model-1-of-1.safetensors/../../x": b"4"}
    desk.repository.files |= evil
    assert desk.download().returncode == 0
    assert_whole(desk)
    assert not list(desk.models.parent.glob("**/evil.json"))


# --- the imitation itself ---------------------------------------------------------------------------------------------
def test_the_client_itself_can_download_from_the_imitation(desk: Desk, tmp_path: Path) -> None:
    program = (
        "import sys, huggingface_hub as hub\n"
        "for name in sys.argv[2:]: hub.hf_hub_download('acme/tiny', name, local_dir=sys.argv[1])"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path / "copy"), *desk.repository.files]
    done = run(arguments, desk.environment(HF_TOKEN="hf_secret"))
    assert done.returncode == 0, done.stderr
    for name, content in desk.repository.files.items():
        assert (tmp_path / "copy" / name).read_bytes() == content
    assert {seen.authorization for seen in desk.hub.seen if seen.server == "cdn"} == {None}
