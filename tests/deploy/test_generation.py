"""Generation through the complete service: launcher, Apache, worker processes and the demo checkpoint."""

import itertools
import json
import os
import shlex
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from inkwell.worker.client import HANG_S
from tests.live import PROJECT_ROOT, LiveServer, live_server

pytestmark = pytest.mark.slow
LIMIT_S = 60
PROMPTS = [
    "Once upon a time",
    "The king",
    "In a dark wood there lived an old witch who had three daughters, and the youngest of them",
    '"Come in," said',
] * 4
LENGTHS = [8, 40, 64, 21, 5, 33, 50, 13, 64, 1, 30, 17, 48, 26, 9, 60]


@pytest.fixture
def own_server():
    """A server whose workers tests may kill."""
    with live_server() as running:
        yield running


def greedy(server: LiveServer, prompt: str, length: int) -> str:
    query = {"input_text": prompt, "length": length, "temperature": 0}
    answer = requests.get(f"{server.url}/text-generate", params=query, timeout=LIMIT_S)
    assert answer.status_code == 200, answer.text
    return answer.text


def stream(server: LiveServer, length: int = 400, **more: object) -> requests.Response:
    """An open stream of 400 tokens, longer than any test reads, unless the model ends the text."""
    query = {"input_text": "Once upon a time", "length": length, "stream": "true", "seed": 1, **more}
    return requests.get(f"{server.url}/text-generate", params=query, stream=True, timeout=LIMIT_S)


def data_lines(answer: requests.Response):
    return (line.removeprefix(b"data: ") for line in answer.iter_lines() if line.startswith(b"data: "))


def test_the_demo_goes_on_like_a_tale(server: LiveServer):
    text = greedy(server, "Once upon a time", 60)
    words = text.split()
    assert len(words) > 25
    known = set(Path("/usr/share/dict/american-english").read_text().split())
    plain = [word.strip("\"',.;:!?-()").lower() for word in words[:-1]]  # the last one may be incomplete
    assert sum(word in known for word in plain if word) > 0.8 * len(plain)


def test_sixteen_parallel_requests_give_the_same_text_as_one_by_one(server: LiveServer):
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(greedy, itertools.repeat(server), PROMPTS, LENGTHS))
    alone = [greedy(server, prompt, length) for prompt, length in zip(PROMPTS, LENGTHS, strict=True)]
    assert together == alone


def test_concurrent_sequences_share_steps(server: LiveServer):
    """Every sample has text before the first one ends: they are generated concurrently."""
    with stream(server, length=60, nsamples=8) as answer:
        events = [json.loads(line) for line in data_lines(answer) if line != b"[DONE]"][:-1]
    first_end = next(place for place, event in enumerate(events) if "finish_reason" in event)
    assert {event["sample"] for event in events[:first_end]} == set(range(8))


def test_a_stream_arrives_piece_by_piece_and_says_that_it_is_complete(server: LiveServer):
    query = {"length": 60, "temperature": 0}
    with stream(server, **query) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        lines = list(data_lines(answer))
    assert lines[-1] == b"[DONE]"
    pieces = [json.loads(line)["text"] for line in lines[:-2]]
    assert "".join(pieces) == greedy(server, "Once upon a time", 60)
    assert len(pieces) > 20


def test_the_first_piece_is_sent_while_the_rest_is_still_generated(server: LiveServer):
    with stream(server, nsamples=8) as answer:
        next(data_lines(answer))
        assert requests.get(f"{server.url}/readyz", timeout=LIMIT_S).json()["requests"] == 1


def test_a_killed_worker_fails_its_stream_clearly_and_the_next_request_works(own_server: LiveServer):
    expected = greedy(own_server, "The king", 12)
    with stream(own_server, nsamples=8) as answer:
        lines = data_lines(answer)
        next(lines)
        (worker,) = own_server.workers()
        os.kill(worker.pid, signal.SIGKILL)
        killed = time.monotonic()
        rest = list(lines)
        assert time.monotonic() - killed < HANG_S / 2  # the worker's end was reported, not detected by a timeout
    assert json.loads(rest[-1])["error"]["code"] == "worker_died"
    assert b"[DONE]" not in rest
    assert greedy(own_server, "The king", 12) == expected
    (successor,) = own_server.workers()
    assert successor.pid != worker.pid


def test_a_killed_web_process_takes_its_workers_along_and_comes_back(own_server: LiveServer):
    greedy(own_server, "The king", 4)
    (worker,) = own_server.workers()
    worker.parent().kill()
    worker.wait(10)
    deadline = time.monotonic() + 30
    while True:  # the first requests may still fall between two web processes
        try:
            assert greedy(own_server, "The king", 4)
            break
        except (AssertionError, requests.RequestException):
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_a_client_that_leaves_gives_its_row_back(own_server: LiveServer):
    greedy(own_server, "The king", 2)
    with stream(own_server, nsamples=8) as answer:
        next(data_lines(answer))
    left = time.monotonic()
    while '"outcome": "cancelled"' not in own_server.logs():
        assert time.monotonic() - left < LIMIT_S, "the generation went on without its client"
        time.sleep(0.02)
    assert requests.get(f"{own_server.url}/readyz", timeout=LIMIT_S).json()["requests"] == 0


def test_more_requests_than_are_admitted_are_refused_at_once():
    with live_server(max_requests=2) as small, stream(small) as one, stream(small) as two:
        next(data_lines(one)), next(data_lines(two))
        third = requests.get(f"{small.url}/text-generate", params={"input_text": "x"}, timeout=LIMIT_S)
        assert third.status_code == 429 and third.headers["Retry-After"]
        assert third.json()["error"]["code"] == "queue_full"


def test_a_request_that_takes_too_long_ends_with_what_there_is():
    with live_server(request_timeout_s=20) as impatient:
        greedy(impatient, "The king", 2)
        (worker,) = impatient.workers()
        with stream(impatient) as answer:
            lines = data_lines(answer)
            next(lines)
            worker.suspend()
            rest = list(lines)
            worker.resume()
        assert rest[-1] == b"[DONE]"
        assert json.loads(rest[-2])["samples"][0]["finish_reason"] == "timeout"


def documented_commands() -> list[str]:
    """The curl lines of the pages for users, continuation lines joined; not those that need a second process."""
    pages = [(PROJECT_ROOT / name).read_text() for name in ("README.md", "docs/clients.md")]
    blocks = "\n".join(block for page in pages for block in page.split("```")[1::2]).replace("\\\n", " ")
    commands = [line for line in blocks.splitlines() if line.startswith("curl") and not line.endswith("&")]
    assert len(commands) > 10
    return list(dict.fromkeys(commands))


@pytest.mark.parametrize("command", documented_commands())
def test_the_commands_of_the_pages_work_as_pasted(server: LiveServer, command: str):
    arguments = shlex.split(command.replace("http://127.0.0.1:8000", server.url))
    result = subprocess.run([*arguments, "-sS", "--fail-with-body"], capture_output=True, text=True, timeout=LIMIT_S)
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(result.stdout) > 10
