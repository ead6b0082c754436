"""Clients that send their bodies slowly occupy a thread each, but probes are still answered."""

import itertools
import selectors
import socket
import time

import pytest
import requests

from tests.live import LiveServer

pytestmark = pytest.mark.slow

SENDERS = 200  # below INKWELL_MAX_CONNECTIONS, far above what the service admits
PIECE, PAUSE_S = b"a" * 550, 0.5  # above the minimum rate that Apache accepts
END_S = 45  # Apache gives a body 30 s at most
LIMIT_S = 2 * END_S  # on a busy machine
PROBE_LIMIT_S = 15  # half of the time that a probe would wait if a slow sender occupied the last thread
# One request that the application reads, and one that it refuses unread, which occupies its thread just as long.
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


def probe(server: LiveServer, path: str) -> int:
    """The status of a probe on a connection of its own."""
    return requests.get(f"{server.url}{path}", headers={"Connection": "close"}, timeout=PROBE_LIMIT_S).status_code


def test_probes_answer_while_slow_senders_hold_threads_and_all_get_a_reply_in_time(
    server: LiveServer,
) -> None:
    begun, statuses, probes = time.monotonic(), [], []
    with selectors.DefaultSelector() as waiting:
        for kind in itertools.islice(itertools.cycle(KINDS), SENDERS):
            waiting.register(begin(server, kind), selectors.EVENT_READ)
        while waiting.get_map() and time.monotonic() - begun < LIMIT_S:
            statuses += answered(waiting)
            probes += [probe(server, path) for path in ("/livez", "/readyz")]
            time.sleep(PAUSE_S)
        assert not waiting.get_map()
    assert statuses == [408] * SENDERS
    assert len(probes) > 10 and set(probes) == {200}
