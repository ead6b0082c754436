"""Running streams, new requests and the service's processes when the service is stopped."""

import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import requests

from inkwell.apache.config import DRAIN_S
from tests.deploy.streams import DONE, held_stream
from tests.live import LiveServer, live_server

pytestmark = pytest.mark.slow

GONE_LIMIT_S = 20.0


def traces(server: LiveServer) -> tuple[list[psutil.Process], Path]:
    """Nothing of the service may be left after it has stopped."""
    return server.family(), server.run_folder()


def assert_nothing_is_left(server: LiveServer, left_over: tuple[list[psutil.Process], Path]) -> None:
    processes, folder = left_over
    _, alive = psutil.wait_procs(processes, timeout=GONE_LIMIT_S)
    assert not alive
    assert not folder.exists()
    assert not is_open(server)


def is_open(server: LiveServer) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", server.port)) == 0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + GONE_LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGWINCH])
def test_a_stop_signal_lets_streams_finish_and_refuses_new_requests(number: signal.Signals) -> None:
    with live_server() as server, held_stream(server) as stream:
        left_over = traces(server)
        server.process.send_signal(number)
        wait_until(lambda: requests.get(f"{server.url}/readyz", timeout=10).status_code == 503)
        readiness = requests.get(f"{server.url}/readyz", timeout=10).json()
        refused = requests.get(f"{server.url}/text-generate", params={"input_text": "x"}, timeout=10)

        assert (readiness["status"], readiness["requests"]) == ("draining", 1)
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "server_shutting_down"
        assert "Retry-After" in refused.headers
        assert stream.rest()[-1] == DONE
        assert server.wait() == 0
        assert_nothing_is_left(server, left_over)


def test_sigwinch_to_apache_itself_lets_streams_finish_too() -> None:
    with live_server() as server, held_stream(server) as stream:
        left_over = traces(server)
        server.httpd().send_signal(signal.SIGWINCH)
        wait_until(lambda: not is_open(server))

        assert stream.rest()[-1] == DONE
        assert server.wait() == 1
        assert "Apache ended by itself" in server.logs()
        assert_nothing_is_left(server, left_over)


def test_a_second_signal_ends_the_service_at_once_and_the_cut_stream_is_not_done() -> None:
    with live_server() as server, held_stream(server) as stream:
        left_over = traces(server)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in server.logs())
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not is_open(server))

        assert DONE not in stream.rest()
        assert server.wait() == 1
        assert_nothing_is_left(server, left_over)


def test_a_worker_that_hangs_is_killed_in_the_end() -> None:
    with live_server() as server, held_stream(server) as stream:
        left_over = traces(server)
        for _ in range(2):
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "stopping" in server.logs())

        assert server.wait() == 1
        assert_nothing_is_left(server, left_over)
        assert DONE not in stream.rest()


def test_an_idle_service_stops_without_waiting_for_requests() -> None:
    with live_server() as server:
        left_over = traces(server)
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)

        assert server.wait() == 0
        assert time.monotonic() - started < DRAIN_S / 5
        assert_nothing_is_left(server, left_over)


def test_apache_and_the_workers_end_when_the_launcher_is_killed() -> None:
    with live_server() as server:
        requests.get(f"{server.url}/text-generate", params={"input_text": "x", "length": 1}, timeout=60)
        processes = server.family()
        assert server.workers()
        server.process.kill()

        _, alive = psutil.wait_procs(processes, timeout=GONE_LIMIT_S)
        assert not alive
        assert not is_open(server)


def test_the_launcher_ends_with_an_error_when_apache_dies() -> None:
    with live_server() as server:
        left_over = traces(server)
        server.httpd().kill()

        assert server.wait() == 1
        assert "Apache ended by itself with status -9" in server.logs()
        assert_nothing_is_left(server, left_over)
