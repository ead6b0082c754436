"""Traces of requests, when OpenTelemetry's standard variables ask for them; else nothing of it is even imported.

What the rest of the service needs of a tracer, and the decision whether there is one. `otlp.py` is the one there is.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from inkwell import __version__
from inkwell.observability.otel_settings import wanted
from inkwell.observability.outcome import RequestOutcome


class RequestSpan(Protocol):
    """The span of one HTTP request, under which everything that its thread begins will stand."""

    def leave(self) -> None:
        """In the thread that began it: what the thread begins from now on does not belong to it."""
        ...

    def end(self, route: str | None, status: int) -> None:
        """From any thread: the reply was sent. `route` is a rule of our own table, None for other addresses."""
        ...


class Tracing(Protocol):
    """Makes the spans of one service and sends them. Thread-safe."""

    def request(self, method: str | None, headers: Mapping[str, str], request_id: str) -> RequestSpan:
        """Begin the span of a request; below the caller's, where `headers` name one.

        `method` is None where it is of the client's own making.
        """
        ...

    def listen(self) -> Callable[[RequestOutcome], None]:
        """A generation begins under the present span; gives what makes its spans when it has ended."""
        ...

    def close(self) -> None:
        """Send what is left, within two seconds."""
        ...


def tracing(variables: Mapping[str, str]) -> Tracing | None:
    """The tracer that these OTEL_* variables of this process ask for; None if they ask for none."""
    if not wanted(variables):
        return None
    from inkwell.observability.otlp import Otlp  # takes a third of a second and 15 MB, which few need

    return Otlp(__version__, variables)
