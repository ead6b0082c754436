"""Sends HTTP requests, one thread each, and reads streams of server-sent events. Uses only the standard library.

While a stream is running, its thread only records when bytes arrive; they are parsed after the last one. This minimises
the client's CPU use, because client and server share the processor.
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
READ_TIMEOUT_S = 600.0
READ_BYTES = 1 << 16
REFUSED_PAUSE_S = 0.05
EVENT_END = b"\n\n"

Arrival = tuple[float, list[bytes]]  # a moment, and the events completed at that moment


class Dialect(Protocol):
    """The request and response format of a server."""

    path: str

    def body(self, request: Request) -> bytes:
        """The JSON body of a request."""

    def read(self, record: Record, arrivals: list[Arrival], request: Request) -> None:
        """Fill the record from the events; raises ValueError if the stream is incomplete."""


class Streams:
    """Sends requests to one server and returns the completed records."""

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
        """Return the response with its stream; retries while the server answers 429."""
        kind = http.client.HTTPSConnection if self._address.scheme == "https" else http.client.HTTPConnection
        while True:
            connection = kind(self._address.hostname or "", self._address.port, timeout=READ_TIMEOUT_S)
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
    """Read the whole stream; return moments with the events completed at them, without comments."""
    found: list[Arrival] = []
    rest = b""
    for moment_s, data in _timed_chunks(response.read1):
        *events, rest = (rest + data).split(EVENT_END)
        if events := [event[5:].strip() for event in events if event.startswith(b"data:")]:
            found.append((moment_s, events))
    if rest.strip():
        raise ValueError("the stream ended within an event")
    return found


def _timed_chunks(read: Callable[[int], bytes]) -> list[tuple[float, bytes]]:
    chunks = []
    while data := read(READ_BYTES):
        chunks.append((time.monotonic(), data))
    return chunks
