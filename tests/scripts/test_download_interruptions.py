"""Killed, dropped, concurrent or out-of-space downloads lose nothing and never publish a partial model."""

import os
import resource
import signal
import threading
import time
from pathlib import Path

import pytest

from inkwell.checkpoints.catalog import scan
from tests.scripts.checkpoints import tiny_files
from tests.scripts.desk import BLOB, COMMIT, Desk, assert_refused, assert_whole
from tests.scripts.hub import Fault, Repository

pytestmark = pytest.mark.slow  # every test starts processes


# --- interruptions ----------------------------------------------------------------------------------------------------
def test_after_kill_9_the_next_call_goes_on_from_the_bytes_that_are_there(desk: Desk) -> None:
    hold = threading.Event()
    process = desk.start_held(hold)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    hold.set()
    assert scan(desk.models) == {}
    kept = desk.partial().stat().st_size
    assert desk.download().returncode == 0
    assert [seen.range for seen in desk.hub.gets(BLOB)] == [None, f"bytes={kept}-"]
    assert len(desk.hub.gets("/config.json")) == 1
    assert_whole(desk)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGWINCH])
def test_ctrl_c_and_an_engines_stop_end_with_a_line_and_no_traceback(desk: Desk, number: signal.Signals) -> None:
    hold = threading.Event()
    process = desk.start_held(hold)
    process.send_signal(number)
    text = process.communicate(timeout=60)[1]
    hold.set()
    assert process.returncode == 130
    assert "run the same command to resume" in text and "Traceback" not in text
    assert scan(desk.models) == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGWINCH])
def test_the_same_ends_it_while_it_still_imports(desk: Desk, tmp_path: Path, number: signal.Signals) -> None:
    slow = "import sys, time; print('importing', file=sys.stderr, flush=True); time.sleep(60)"
    (tmp_path / "huggingface_hub.py").write_text(slow)
    process = desk.start(PYTHONPATH=str(tmp_path))
    assert process.stderr and process.stderr.readline() == "importing\n"
    process.send_signal(number)
    text = process.communicate(timeout=30)[1]
    assert (process.returncode, text) == (130, "")


def test_a_partial_file_of_last_week_is_resumed_and_never_served(desk: Desk) -> None:
    desk.gathering.mkdir(parents=True)
    desk.partial().write_bytes(desk.repository.files["model.safetensors"][:1000])
    os.utime(desk.partial(), (time.time() - 7 * 86_400,) * 2)
    assert scan(desk.models) == {}
    assert desk.download().returncode == 0
    assert [seen.range for seen in desk.hub.gets(BLOB)] == ["bytes=1000-"]
    assert_whole(desk)


def test_dropped_connections_in_mid_file_are_ridden_out(desk: Desk) -> None:
    desk.hub.faults[BLOB] = [Fault(drop_after=150_000), Fault(drop_after=100_000)]
    done = desk.download()
    assert done.returncode == 0, done.stderr
    assert [seen.range for seen in desk.hub.gets(BLOB)] == [None, "bytes=150000-", "bytes=250000-"]
    assert_whole(desk)


def test_a_hub_that_ignores_ranges_costs_a_fresh_start_and_no_damage(desk: Desk) -> None:
    desk.hub.faults[BLOB] = [Fault(drop_after=150_000), Fault(ignores_ranges=True)]
    assert desk.download().returncode == 0
    assert_whole(desk)


def test_passing_failures_are_ridden_out(desk: Desk) -> None:
    passing = {
        "/api/models/acme/a": Fault(pause_s=1.5),
        "/api/models/acme/b": Fault(status=503, headers={"Retry-After": "0"}),
        "/blobs/acme/a/model.safetensors": Fault(status=500),
        "/blobs/acme/b/model.safetensors": Fault(status=429, headers={"Retry-After": "0"}),
    }
    desk.hub.faults.update({path: [fault] for path, fault in passing.items()})
    desk.hub.repositories.update({name: Repository(tiny_files(), COMMIT) for name in ("acme/a", "acme/b")})
    done = desk.download("acme/a", "acme/b", HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("trying again") >= len(passing)
    assert scan(desk.models).keys() == {"a", "b"}


def test_a_full_disk_is_named_and_what_is_here_is_kept(desk: Desk) -> None:
    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    assert_refused(desk.download(prepare=small_files_only), "disk is full", "free some space")
    assert scan(desk.models) == {}
    assert desk.partial().stat().st_size == 200_000
    assert desk.download().returncode == 0
    assert_whole(desk)


# --- folders that are there -------------------------------------------------------------------------------------------
def test_a_model_that_is_there_is_left_alone_without_a_request(desk: Desk) -> None:
    desk.download()
    desk.hub.seen.clear()
    done = desk.download()
    assert done.returncode == 0
    assert "exists already" in done.stderr
    assert desk.hub.seen == []


def test_a_folder_of_other_origin_is_kept_unless_forced(desk: Desk) -> None:
    desk.target.mkdir()
    (desk.target / "own.txt").write_text("mine")
    assert_refused(desk.download(), "unknown origin", "--force", "--as")
    assert (desk.target / "own.txt").read_text() == "mine"
    assert desk.download("acme/tiny", "--force").returncode == 0
    assert_whole(desk)


def test_a_forced_download_that_fails_keeps_the_old_folder(desk: Desk) -> None:
    desk.target.mkdir()
    (desk.target / "own.txt").write_text("mine")
    desk.hub.always[BLOB] = Fault(status=500)
    assert_refused(desk.download("acme/tiny", "--force", "--retries", "0"), "500")
    assert [path.name for path in desk.target.iterdir()] == ["own.txt"]


# --- two at once ------------------------------------------------------------------------------------------------------
def test_a_second_process_waits_for_the_first_and_finds_the_work_done(desk: Desk) -> None:
    hold = threading.Event()
    first = desk.start_held(hold)
    second = desk.start()
    assert second.stderr is not None
    assert "waiting for it" in second.stderr.readline()
    hold.set()
    texts = [process.communicate(timeout=60)[1] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], texts
    assert len(desk.hub.gets(BLOB)) == 1
    assert_whole(desk)


def test_where_locks_do_nothing_two_processes_still_end_with_right_files(desk: Desk) -> None:
    without_locks = (
        "import fcntl, runpy, sys; fcntl.flock = lambda *_: None; sys.argv.pop(0); "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    hold = threading.Event()
    first = desk.start_held(hold, "-c", without_locks)
    second = desk.start("-c", without_locks)
    text = second.communicate(timeout=60)[1]
    assert second.returncode == 0, text  # it has continued in the file that the first one is writing
    hold.set()
    text = first.communicate(timeout=60)[1]
    assert first.returncode == 0, text
    assert len(desk.hub.gets(BLOB)) == 2
    assert_whole(desk)
