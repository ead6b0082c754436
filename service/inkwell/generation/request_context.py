"""Whose request it is and who is told of its end: once, wherever on its way the end comes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from inkwell.errors import Cancelled, InkwellError, Refused, RequestError
from inkwell.observability.outcome import CANCELLED, REFUSED, RequestOutcome


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One admitted request. `started` is monotonic seconds, `listeners` are told how it ended."""

    request_id: str
    client: str
    started: float
    listeners: tuple[Callable[[RequestOutcome], None], ...] = ()

    def tell(self, outcome: RequestOutcome) -> None:
        """The request has ended."""
        for listener in self.listeners:
            listener(outcome)

    def fail(self, error: BaseException, model: str | None) -> None:
        """The request has ended before a worker had it."""
        self.tell(
            RequestOutcome(
                request_id=self.request_id,
                client=self.client,
                model=model,
                result=result_of(error),
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
        )


def result_of(error: BaseException) -> str:
    """How a request ended that this error ended; the codes tell of failures that are not the client's."""
    if isinstance(error, Cancelled):
        return CANCELLED
    if isinstance(error, RequestError | Refused):
        return REFUSED
    return error.code if isinstance(error, InkwellError) else InkwellError.code
