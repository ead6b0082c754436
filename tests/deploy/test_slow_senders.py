"""Clients that send their bodies slowly occupy a thread each, but probes are still answered."""

import itertools
import selectors
import socket
import statistics
import time

import pytest
import requests
import yaml

from tests.live import PROJECT_ROOT, LiveServer

pytestmark = pytest.mark.slow

SENDERS = 200  # below INKWELL_MAX_CONNECTIONS, far above what the service admits
PIECE, PAUSE_S = b"a" * 550, 0.5  # above the lowest rate that Apache accepts
END_S = 45  # Apache allows at most 30 s for a body
PROBE_S = 1.0  # usually; a busy machine may be slower once
VALUES = yaml.safe_load((PROJECT_ROOT / "helm/values.yaml").read_text())
LONGEST_PROBE_S = VALUES["livenessProbe"]["timeoutSeconds"]  # a probe that takes longer restarts the pod
# A body that the application reads, and one that it refuses unread, which occupies its thread just as long.
KINDS = ("application/json", "text/plain")


def begin(server: LiveServer, kind: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    head = f"POST /text-generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: 100000\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def answered(waiting: selectors.DefaultSelector) -> list[int]:
    """Return the statuses of the requests answered now; the others send a little more."""
    ready = [key.fileobj for key, _ in waiting.select(0)]
    for connection in ready:
        waiting.unregister(connection)
    for key in waiting.get_map().values():
        key.fileobj.sendall(PIECE)
    statuses = [int(connection.recv(65_536).split()[1]) for connection in ready]
    for connection in ready:
        connection.close()
    return statuses


def probe_s(server: LiveServer, path: str) -> float:
    """Return the duration of a probe on a connection of its own."""
    begun = time.monotonic()
    assert requests.get(f"{server.url}{path}", headers={"Connection": "close"}, timeout=10).status_code == 200
    return time.monotonic() - begun


def test_probes_answer_while_slow_senders_hold_threads_and_every_sender_is_told_in_time(server: LiveServer) -> None:
    begun, statuses, times = time.monotonic(), [], []
    with selectors.DefaultSelector() as waiting:
        for kind in itertools.islice(itertools.cycle(KINDS), SENDERS):
            waiting.register(begin(server, kind), selectors.EVENT_READ)
        while waiting.get_map() and time.monotonic() - begun < END_S:
            statuses += answered(waiting)
            times += [probe_s(server, path) for path in ("/livez", "/readyz")]
            time.sleep(PAUSE_S)
        assert not waiting.get_map()
    assert statuses == [408] * SENDERS
    assert len(times) > 2 * 20 and statistics.median(times) < PROBE_S and max(times) < LONGEST_PROBE_S
