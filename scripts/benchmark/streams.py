"""Requests over HTTP, one thread each, reading streams of server-sent events. The standard library alone.

While a stream runs, a thread does nothing but note when bytes came; what was in them is read after the last one. So
the client takes as little of the processor as it can, for it shares it with the server.
"""

import http.client
import queue
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from scripts.benchmark.exchange import Record, Request

THREADS = 256
SILENCE_LIMIT_S = 600.0
READ_BYTES = 1 << 16
REFUSED_PAUSE_S = 0.05
EVENT_END = b"\n\n"

Arrival = tuple[float, list[bytes]]  # a moment, and the events that became complete at it


class Dialect(Protocol):
    """How a server wants to be asked and how it answers."""

    path: str

    def body(self, request: Request) -> bytes:
        """The JSON body of a request."""

    def read(self, record: Record, arrivals: list[Arrival], request: Request) -> None:
        """Fill the record from the events; raises ValueError when the stream is no complete answer."""


class Streams:
    """Sends requests to one server and hands out complete records."""

    def __init__(self, url: str, dialect: Dialect) -> None:
        self._address: SplitResult = urlsplit(url)
        self._dialect = dialect
        self._pool = ThreadPoolExecutor(THREADS)
        self._complete: queue.SimpleQueue[Record] = queue.SimpleQueue()

    def submit(self, key: int, request: Request, sent_s: float) -> None:
        self._pool.submit(self._run, Record(key, request.role, sent_s), request)

    def poll(self, timeout_s: float | None) -> list[Record]:
        try:
            return [self._complete.get(timeout=timeout_s)]
        except queue.Empty:
            return []

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, record: Record, request: Request) -> None:
        try:
            response = self._open(record, self._dialect.body(request))
            self._dialect.read(record, _arrivals(response), request)
        except Exception as error:  # the thread has no caller: the record carries it
            record.error = repr(error)
        self._complete.put(record)

    def _open(self, record: Record, body: bytes) -> http.client.HTTPResponse:
        """The response whose stream begins; waits and asks again as long as the server says that it is full."""
        kind = http.client.HTTPSConnection if self._address.scheme == "https" else http.client.HTTPConnection
        while True:
            connection = kind(self._address.hostname or "", self._address.port, timeout=SILENCE_LIMIT_S)
            connection.request("POST", self._dialect.path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status == 200:
                return response
            answer = response.read(2000).decode(errors="replace")
            connection.close()
            if response.status != 429:
                raise ValueError(f"status {response.status}: {answer}")
            record.refused += 1
            time.sleep(REFUSED_PAUSE_S)


def _arrivals(response: http.client.HTTPResponse) -> list[Arrival]:
    """The whole stream: moments with the events that ended at them; comments are left out."""
    found: list[Arrival] = []
    rest = b""
    for moment_s, data in _pieces(response.read1):
        *events, rest = (rest + data).split(EVENT_END)
        if events := [event[5:].strip() for event in events if event.startswith(b"data:")]:
            found.append((moment_s, events))
    if rest.strip():
        raise ValueError("the stream broke off within an event")
    return found


def _pieces(read: Callable[[int], bytes]) -> list[tuple[float, bytes]]:
    pieces = []
    while data := read(READ_BYTES):
        pieces.append((time.monotonic(), data))
    return pieces
