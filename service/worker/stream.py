"""The events of one request's jobs, on their way from the worker's reader thread to the thread that answers.

Every job in it ends in exactly one final event: its last token, its failure, or the caller's `close`.
"""

import queue
from collections.abc import Callable, Sequence

from service.engine.contract import Event, FailureEvent
from service.errors import InkwellError
from service.once import Once


class TokenStream:
    """A queue of events with an idempotent end. The queue is bounded by what the jobs may generate."""

    def __init__(
        self, keys: Sequence[int], cancel: Callable[[Sequence[int]], None], on_silence: Callable[[], None]
    ) -> None:
        self._sample_of_key = {key: sample for sample, key in enumerate(keys)}
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._on_silence = on_silence
        self._close = Once(lambda: cancel(list(self._sample_of_key)))

    @staticmethod
    def ends(event: Event) -> bool:
        """Whether `event` is the last of its job."""
        return isinstance(event, FailureEvent) or event.finish is not None

    def put(self, event: Event) -> None:
        """Reader thread: one more event."""
        self._events.put(event)

    def fail(self, key: int, error: InkwellError) -> None:
        """Reader thread: the job ended for a reason that the engine could not tell."""
        self._events.put(FailureEvent(key, error.code, error.message, error.cause))

    def get(self, timeout_s: float) -> tuple[int, Event] | None:
        """The next event and the number of its sample; None when there is none within `timeout_s`."""
        try:
            event = self._events.get(timeout=timeout_s)
        except queue.Empty:
            self._on_silence()
            return None
        return self._sample_of_key[event.key], event

    def close(self) -> None:
        """Drop whatever is still running. May be called by any thread, and again."""
        self._close()
