"""The state of an admitted request that does not depend on its task: client, cancellation and outcome."""

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from inkwell.access.keys import Client
from inkwell.errors import Cancelled, InkwellError, Refused, RequestError
from inkwell.observability.outcome import CANCELLED, REFUSED, OutcomeListener, RequestOutcome


class RequestContext:
    """One admitted request as a context manager: leaving it reports its outcome, once.

    `measure` builds the outcome; a generation replaces it with a function that counts tokens. `on_cancel` is called
    after `cancelled` is set.
    """

    def __init__(self, request_id: str, client: Client, listeners: Sequence[OutcomeListener]) -> None:
        self.request_id = request_id
        self.client = client
        self.started = time.monotonic()
        self.model_name: str | None = None  # name of the folder, even if the model cannot be served
        self.error: BaseException | None = None  # the error that ended the request
        self.cancelled = threading.Event()
        self.on_cancel: Callable[[], None] = lambda: None
        self.measure: Callable[[], RequestOutcome] = self._unsubmitted
        self._report = tuple(listen() for listen in listeners)

    def __enter__(self) -> "RequestContext":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.error = error or self.error
        outcome = self.measure()
        for report in self._report:
            report(outcome)

    def cancel(self) -> None:
        """Cancel the request; may be called from any thread."""
        self.cancelled.set()
        self.on_cancel()

    def _unsubmitted(self) -> RequestOutcome:
        """The outcome of a request that failed before it was submitted to a worker."""
        return RequestOutcome(
            request_id=self.request_id,
            client=self.client.name,
            model=self.model_name,
            result=result_of(self.error),
            finish_reasons=(),
            prompt_tokens=0,
            cached_tokens=0,
            generated_tokens=0,
            computed=False,
            submitted_s=None,
            queue_s=0.0,
            first_token_s=None,
            duration_s=time.monotonic() - self.started,
        )


def result_of(error: BaseException | None) -> str:
    """The outcome's `result` for this error: its code if the service is at fault."""
    if isinstance(error, Cancelled):
        return CANCELLED
    if isinstance(error, RequestError | Refused):
        return REFUSED
    return error.code if isinstance(error, InkwellError) else InkwellError.code
