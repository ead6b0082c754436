"""The running requests, each of which can be cancelled by its id. Thread-safe."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from inkwell.access.keys import Client
from inkwell.errors import RequestNotFound


class Running:
    """The running requests by id and client. An id that a client uses twice refers to both requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancels: dict[Callable[[], None], tuple[str, Client]] = {}

    @contextmanager
    def entry(self, request_id: str, client: Client, cancel: Callable[[], None]) -> Iterator[None]:
        """Register a request until the block ends; `cancel` is called from another request's thread."""
        with self._lock:
            self._cancels[cancel] = (request_id, client)
        try:
            yield
        finally:
            with self._lock:
                del self._cancels[cancel]

    def cancel(self, request_id: str, client: Client) -> int:
        """Cancel the client's requests with that id, or anyone's for an administrator; returns their number.

        Raises RequestNotFound, also for another client's request: clients cannot find out which ids others use.
        """
        with self._lock:
            found = [
                cancel
                for cancel, (running_id, owner) in self._cancels.items()
                if running_id == request_id and (owner.name == client.name or "admin" in client.scopes)
            ]
        if not found:
            raise RequestNotFound("no request of this id is running or waiting")
        for cancel in found:
            cancel()
        return len(found)
