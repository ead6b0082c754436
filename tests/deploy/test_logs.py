"""The JSON log of a running service: every line parses, every request appears once, and no prompt appears."""

import json
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.deploy.test_apache import HEAD, REFUSED, send
from tests.live import LiveServer, live_server, start_launcher

pytestmark = pytest.mark.slow

CANARY = "ZilpzalpAmZaun"


@pytest.fixture(scope="module")
def logged() -> Iterator[LiveServer]:
    with live_server(max_requests=2, log_format="json") as server:
        yield server


def ask(server: LiveServer, name: str, path: str = "/text-generate", **wanted: object) -> requests.Response:
    """Send a request with the canary in every place that a client controls; `name` is its id."""
    parameters = {"input_text": CANARY, "length": 2, **wanted}
    headers = {"X-Request-Id": name, "Referer": f"http://x/?{CANARY}", "User-Agent": CANARY, "X-Api-Key": CANARY}
    return requests.get(f"{server.url}{path}", params=parameters, headers=headers, timeout=60)


def records(server: LiveServer) -> list[dict[str, object]]:
    return [json.loads(line) for line in server.logs().splitlines()]


def ended(server: LiveServer, count: int) -> list[dict[str, object]]:
    """Wait for this number of request records and return them; a record may follow its reply with a delay."""
    deadline = time.monotonic() + 10
    while len(found := [record for record in records(server) if record["message"] == "request ended"]) < count:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def test_every_line_is_a_record_and_every_request_has_one(logged: LiveServer) -> None:
    ask(logged, "whole")
    ask(logged, "stream", stream="true")
    ask(logged, "unknown", no_such=CANARY)
    ask(logged, "nowhere", f"/{CANARY}")
    ask(logged, "model", model_name=CANARY)
    for path in ("/livez", "/readyz", "/health", "/metrics"):
        ask(logged, "probe", path)
    (worker,) = logged.workers()
    worker.suspend()
    streams = [ask_stream(logged, f"running-{number}") for number in range(2)]
    assert ask(logged, "full").status_code == 429
    worker.kill()
    for stream in streams:
        stream.close()
    for _, request in REFUSED.values():
        send(logged, request.replace(" HTTP/1.1", f"?input_text={CANARY} HTTP/1.1", 1))
    own = {"whole": (200, None), "stream": (200, None), "unknown": (400, "unknown_parameter"),
           "nowhere": (404, "not_found"), "model": (404, "model_not_found"), "full": (429, "queue_full"),
           "running-0": (200, "worker_died"), "running-1": (200, "worker_died")}  # fmt: skip

    found = ended(logged, len(own) + len(REFUSED))
    assert Counter(record["request_id"] for record in found).most_common(1)[0][1] == 1
    logged_as = {record["request_id"]: (record["status"], record["code"]) for record in found}
    assert {name: logged_as.get(name) for name in own} == own
    assert Counter(status for name, (status, _) in logged_as.items() if name not in own) == Counter(
        status for status, _ in REFUSED.values()
    )
    assert all(record["time"].endswith("Z") and record["level"] and record["logger"] for record in records(logged))
    assert CANARY not in logged.logs()


def ask_stream(server: LiveServer, name: str) -> requests.Response:
    body = {"input_text": CANARY, "length": 90, "stream": True}
    headers = {"X-Request-Id": name}
    return requests.post(f"{server.url}/text-generate", json=body, headers=headers, stream=True, timeout=60)


def test_a_body_that_does_not_come_leaves_one_record_and_no_error(logged: LiveServer) -> None:
    start = f"POST /text-generate HTTP/1.1\r\n{HEAD}Content-Length: 9\r\nContent-Type: "
    before, lines_before = len(ended(logged, 0)), len(records(logged))
    asked = [f"{start}application/json\r\nX-Request-Id: read\r\n\r\n{{",
             f"{start}text/plain\r\nX-Request-Id: unread\r\n\r\na", f"{start}text/plain\r\n\r\na"]  # fmt: skip
    with socket.create_connection(("127.0.0.1", logged.port), timeout=10) as leaves:
        leaves.sendall(f"{start}application/json\r\nX-Request-Id: left\r\n\r\n{{".encode())
    with ThreadPoolExecutor() as pool:
        replies = list(pool.map(lambda request: send(logged, request), asked))
    assert [status for status, _, _ in replies] == [408] * 3
    read, unread, nameless = [headers["x-request-id"] for _, headers, _ in replies]
    assert (read, unread) == ("read", "unread")
    assert send(logged, REFUSED["TRACE"][1])[0] == 405  # its record is the last one
    new = ended(logged, before + 5)[before:]
    logged_as = {record["request_id"]: (record["status"], record["code"]) for record in new}
    (name,) = [name for name in logged_as if str(name).startswith(f"{nameless}-")]
    late, refused = (408, "request_timeout"), (415, "unsupported_media_type")
    found = {each: logged_as.pop(each) for each in ("read", "unread", "left", name)}
    assert found == {"read": late, "unread": refused, "left": late, name: refused}
    assert list(logged_as.values()) == [(405, "method_not_allowed")] and len(new) == 5
    assert {record["message"] for record in records(logged)[lines_before:]} == {"request ended"}


def test_the_record_of_the_start_says_where_the_service_is(logged: LiveServer) -> None:
    (record,) = [record for record in records(logged) if str(record["message"]).startswith("ready after")]
    assert (record["service"], record["swagger"]) == (f"{logged.url}/", f"{logged.url}/apidocs/")


def test_a_web_process_that_is_killed_leaves_the_record_of_its_request_to_apache() -> None:
    with live_server(log_format="json") as server:
        ask(server, "first")
        for worker in server.workers():
            worker.suspend()
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(ask, server, "cut")
            while requests.get(f"{server.url}/readyz", timeout=10).json()["requests"] == 0:
                time.sleep(0.05)
            next(process for process in server.family() if "wsgi:inkwell" in " ".join(process.cmdline())).kill()
            reply = waiting.result()
        first, cut = ended(server, 2)
        assert first["request_id"] == "first" and cut["request_id"] == reply.headers["X-Request-Id"] == "cut"
        assert (cut["status"], cut["code"], cut["level"]) == (502, "bad_gateway", "ERROR")
        assert all(isinstance(record, dict) for record in records(server))


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_start_that_is_refused_is_logged_in_the_same_form(form: str) -> None:
    process = start_launcher({"port": "http", "log_format": form}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _, errors = process.communicate(timeout=30)
    assert b"INKWELL_PORT" in errors and errors.count(b"\n") == 1
    assert errors.startswith(b"{") == (form == "json")
    if form == "json":
        assert json.loads(errors)["level"] == "CRITICAL"
