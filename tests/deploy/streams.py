"""A stream that is paused in the middle, so that tests can act while it is running without a race."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import psutil
import requests

DONE = "data: [DONE]"
PROMPT = {"input_text": "Once upon a time", "stream": "true", "length": 900, "seed": 1}  # more than a second's work


class Server(Protocol):
    """A request to a server."""

    @property
    def url(self) -> str: ...

    def workers(self) -> list[psutil.Process]: ...


class HeldStream:
    """A stream whose worker is paused after the first event.

    The worker is started and looked up beforehand, because finding it may take longer than the whole stream.
    """

    def __init__(self, server: Server) -> None:
        requests.get(f"{server.url}/text-generate", params=PROMPT | {"length": 1}, timeout=60).raise_for_status()
        self._workers = server.workers()
        assert self._workers
        self._response = requests.get(f"{server.url}/text-generate", params=PROMPT, stream=True, timeout=60)
        self._response.raise_for_status()
        self._lines = self._response.iter_lines(decode_unicode=True)
        next(line for line in self._lines if line.startswith("data:"))
        for worker in self._workers:
            worker.suspend()

    def release(self) -> None:
        """Resume the worker; may be called repeatedly, and after its end."""
        for worker in self._workers:
            if worker.is_running():
                worker.resume()

    def rest(self) -> list[str]:
        """The remaining events, until the stream ends or breaks."""
        self.release()
        events: list[str] = []
        try:
            events.extend(line for line in self._lines if line.startswith("data:"))
        except requests.exceptions.ChunkedEncodingError:
            events.append("broken")
        return events

    def close(self) -> None:
        self.release()
        self._response.close()


@contextmanager
def held_stream(server: Server) -> Iterator[HeldStream]:
    stream = HeldStream(server)
    try:
        yield stream
    finally:
        stream.close()
