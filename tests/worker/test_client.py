"""The worker as a real process: which events its jobs get when they, the worker or its parent end."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from inkwell.engine.contract import EngineConfig, FailureEvent, Job
from inkwell.errors import LoadFailed, LoadTimeout, ModelCorrupt, WorkerDied
from inkwell.observability.logs import LogOptions
from inkwell.parameters.sampling import GREEDY
from inkwell.worker import client
from inkwell.worker.client import Worker
from inkwell.worker.messages import Submit, encode
from tests.engine.tiny import save_tiny

pytestmark = pytest.mark.slow
CONFIG = EngineConfig(device="cpu", dtype="float32", threads=1, max_rows=2)
LONG = Job(0, (5,), 1000, seed=1)
SHORT = Job(0, (5, 6), 4, GREEDY)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint")
    save_tiny(path, n_positions=1024)
    return path


@pytest.fixture
def start(folder):
    """Starts workers and ends them with the test."""
    workers = []

    def begin(path: Path = folder, on_exit=lambda worker: None) -> Worker:
        workers.append(Worker(path, CONFIG, on_exit))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.stop()
        worker.process.wait(10)


def drain(stream) -> list:
    events = []
    while received := stream.get(10):
        events.append(received[1])
        if stream.ends(received[1]):
            break
    return events


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, timeout_s: float = 10) -> float:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < timeout_s, "did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - started


def test_jobs_of_one_request_come_back_in_one_stream(start):
    worker = start()
    worker.wait_ready(60)
    stream = worker.submit([SHORT, SHORT])
    seen = {0: 0, 1: 0}
    for _ in range(8):
        sample, event = stream.get(10)
        seen[sample] += 1
    assert seen == {0: 4, 1: 4} and event.finish == "length"


def test_a_job_that_is_added_comes_back_under_the_number_of_its_text(start):
    worker = start()
    worker.wait_ready(60)
    stream = worker.submit([SHORT, SHORT])
    for number in (0, 1):
        stream.add(number, replace(SHORT, key=99))
    ended = []
    while len(ended) < 4:
        number, event = stream.get(10)
        ended += [number] if stream.ends(event) else []
    assert sorted(ended) == [0, 0, 1, 1]


def test_one_text_of_a_stream_can_be_dropped_and_the_others_go_on(start):
    worker = start()
    worker.wait_ready(60)
    stream = worker.submit([LONG, replace(SHORT, max_tokens=400)])
    stream.cancel(0)
    seen = [received[0] for received in iter(lambda: stream.get(0.5), None)]
    assert seen.count(1) == 400 and seen.count(0) < 1000


def test_whoever_waits_for_an_event_can_be_woken(start):
    worker = start()
    worker.wait_ready(60)
    stream = worker.submit([])
    threading.Timer(0.1, stream.wake).start()
    assert wait_until(lambda: stream.get(30) is None) < 10


def test_jobs_that_were_sent_before_one_that_cannot_be_are_dropped(start, monkeypatch):
    def encode_one_job(message) -> bytes:
        if isinstance(message, Submit) and message.job.key > 1:
            raise MemoryError("a defect of our own")
        return encode(message)

    worker = start()
    worker.wait_ready(60)
    monkeypatch.setattr(client, "encode", encode_one_job)
    with pytest.raises(MemoryError):
        worker.submit([LONG, LONG])
    assert worker.open_jobs == 0


def test_a_killed_worker_fails_its_open_jobs_at_once(start):
    worker = start()
    worker.wait_ready(60)
    running, waiting = worker.submit([LONG, LONG]), worker.submit([LONG])
    assert running.get(10)
    os.kill(worker.process.pid, signal.SIGKILL)
    for stream in (running, waiting):
        last = drain(stream)[-1]
        assert isinstance(last, FailureEvent) and last.code == "worker_died"
    assert not worker.alive
    with pytest.raises(WorkerDied):
        worker.submit([SHORT])


def test_a_worker_that_is_killed_while_it_loads_is_a_failed_load(start):
    worker = start()
    os.kill(worker.process.pid, signal.SIGKILL)
    with pytest.raises(LoadFailed):
        worker.wait_ready(30)


def test_waiting_for_a_load_has_an_end(start):
    with pytest.raises(LoadTimeout, match="0.001"):
        start().wait_ready(0.001)


def test_a_corrupt_checkpoint_is_told_with_its_cause_and_the_process_ends(start, folder, tmp_path):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-100])
    worker = start(tmp_path)
    with pytest.raises(ModelCorrupt) as caught:
        worker.wait_ready(60)
    assert caught.value.cause and str(tmp_path) not in caught.value.message
    wait_until(lambda: not is_running(worker.process.pid))


def test_closing_a_stream_frees_its_row_for_those_who_wait(start):
    worker = start()
    worker.wait_ready(60)
    first = worker.submit([LONG, LONG])  # both rows
    assert first.get(10)
    waiting = worker.submit([SHORT])
    first.close()
    first.close()
    assert drain(waiting)[-1].finish == "length"


def test_stopping_ends_the_process_and_calls_back_once(start):
    ended = []
    worker = start(on_exit=ended.append)
    worker.wait_ready(60)
    worker.stop()
    worker.stop()
    wait_until(lambda: ended == [worker])
    assert not is_running(worker.process.pid)
    assert worker.stopped


def test_the_death_of_the_parent_ends_the_worker(folder):
    program = (
        "import sys, time; from pathlib import Path; from inkwell.worker.client import Worker\n"
        "from inkwell.engine.contract import EngineConfig, Job\n"
        "worker = Worker(Path(sys.argv[1]), EngineConfig(device='cpu', threads=1), lambda worker: None)\n"
        "worker.wait_ready(60); worker.submit([Job(0, (5,), 1000, seed=1)])\n"
        "print(worker.process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        worker_pid = int(parent.stdout.readline())
        assert is_running(worker_pid)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    assert wait_until(lambda: not is_running(worker_pid)) < 5


def test_the_worker_tells_how_much_memory_it_holds(start):
    worker = start()
    worker.wait_ready(60)
    assert worker.resident_bytes > 50 << 20  # torch alone is more than that


def test_a_worker_that_hangs_with_work_is_killed_and_its_jobs_fail(folder):
    worker = Worker(folder, CONFIG, lambda worker: None, hang_s=0.5)
    worker.wait_ready(60)
    time.sleep(0.6)  # longer than that, but an idle worker does not hang
    stream = worker.submit([LONG])
    assert stream.get(10)
    os.kill(worker.process.pid, signal.SIGSTOP)
    events = []
    deadline = time.monotonic() + 20
    while not (events and stream.ends(events[-1])):
        assert time.monotonic() < deadline
        received = stream.get(0.3)
        events += [received[1]] if received else []
    assert events[-1].code == "worker_died"


@pytest.mark.parametrize(("level", "form"), [("info", "json"), ("info", "text"), ("error", "json")])
def test_a_worker_logs_from_the_level_and_in_the_format_of_the_service(folder, capfd, level: str, form: str):
    worker = Worker(folder, CONFIG, lambda worker: None, logs=LogOptions(level, form))
    worker.wait_ready(60)
    worker.stop()
    worker.process.wait(10)
    lines = capfd.readouterr().out.splitlines()
    if level == "error":
        assert lines == []
    elif form == "text":
        assert " INFO inkwell.worker: the model is loaded device=cpu path=" in lines[-1]
    else:
        record = json.loads(lines[-1])
        assert (record["logger"], record["message"]) == ("inkwell.worker", "the model is loaded")
        assert (record["model"], record["device"], record["rows"]) == (folder.name, "cpu", 2)


def test_the_log_says_where_a_worker_failed(folder, capfd):
    worker = Worker(folder, replace(CONFIG, dtype="nonsense"), lambda worker: None)
    with pytest.raises(LoadFailed):
        worker.wait_ready(60)
    worker.process.wait(10)
    (record,) = map(json.loads, capfd.readouterr().out.splitlines())
    assert (record["level"], record["model"]) == ("ERROR", folder.name)
    assert "Traceback" in record["exc_info"] and "KeyError" in record["exc_info"]


def test_a_message_that_cannot_be_read_ends_the_worker(start):
    worker = start()
    worker.wait_ready(60)
    worker._connection.send_bytes(b'["Nonsense"]')
    assert worker.process.wait(10) == 70


def test_a_bug_in_the_reader_leaves_nobody_waiting(start, monkeypatch):
    worker = start()
    worker.wait_ready(60)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    monkeypatch.setattr(worker, "_deliver", lambda event: 1 / 0)
    (reader,) = [thread for thread in threading.enumerate() if thread.name == f"worker-{worker.process.pid}"]
    stream = worker.submit([SHORT])
    assert drain(stream)[-1].code == "worker_died"
    assert not worker.alive
    reader.join(10)  # its last act is the excepthook above, which must still be there
