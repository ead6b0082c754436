"""The events of one request's jobs, on their way from the worker's reader thread to the thread that answers.

Every job in it ends in exactly one final event: its last token, its failure, or the caller's `cancel` or `close`.
"""

import queue
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from inkwell.engine.contract import Event, FailureEvent, Job, TokenEvent
from inkwell.errors import InkwellError


class JobChannel(Protocol):
    """What a stream needs of its worker."""

    def register(self, stream: "TokenStream") -> int:
        """A new job key, whose events come to the stream from now on; raises WorkerDied."""
        ...

    def send(self, job: Job) -> None:
        """Send a job whose key was registered."""
        ...

    def cancel(self, keys: Sequence[int]) -> None:
        """Drop those of the jobs that still run."""
        ...

    def end_if_hung(self) -> None:
        """Kill the worker if it has been silent for too long."""
        ...


class TokenStream:
    """A queue of events, closed idempotently. Its length is bounded by what the jobs may generate.

    Callers identify a job by a number of their own; a job that continues another one keeps its number.
    """

    def __init__(self, channel: JobChannel) -> None:
        self._channel = channel
        self._number_of_key: dict[int, int] = {}
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()

    def add(self, number: int, job: Job) -> None:
        """Send one more job; its key is replaced by one of the worker's own."""
        key = self._channel.register(self)
        self._number_of_key[key] = number
        self._channel.send(replace(job, key=key))

    @staticmethod
    def ends(event: Event) -> bool:
        """Whether `event` is the last of its job."""
        return isinstance(event, FailureEvent) or (isinstance(event, TokenEvent) and event.finish is not None)

    def put(self, event: Event) -> None:
        """Reader thread: one more event."""
        self._events.put(event)

    def fail(self, key: int, error: InkwellError) -> None:
        """Reader thread: the job ended for a reason that the engine could not report."""
        self._events.put(FailureEvent(key, error.code, error.message, error.cause))

    def get(self, timeout_s: float) -> tuple[int, Event] | None:
        """The next event and the number of its job; None when there is none within `timeout_s`, or on `wake`."""
        try:
            event = self._events.get(timeout=timeout_s)
        except queue.Empty:
            self._channel.end_if_hung()
            return None
        return (self._number_of_key[event.key], event) if event is not None else None

    def wake(self) -> None:
        """Any thread: make a waiting `get` return None."""
        self._events.put(None)

    def cancel(self, number: int) -> None:
        """Drop the jobs of one number; their events may still be in transit."""
        self._channel.cancel([key for key, mine in self._number_of_key.items() if mine == number])

    def close(self) -> None:
        """Drop the jobs that still run. Any thread may call it, also repeatedly; jobs that have ended are ignored."""
        self._channel.cancel(list(self._number_of_key))
