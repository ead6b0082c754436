"""Traces of requests: whether OpenTelemetry's standard variables ask for them, and what the service needs of a tracer.

otlp.py is the tracer, and is imported only where one is wanted. OpenTelemetry's SDK reads most OTEL_* variables by
itself and judges them; here are only the rules that are the service's own: signals and protocols that it does not have,
and values that may hold a key, which the SDK would quote in the log.
"""

import re
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import unquote, urlsplit

from inkwell import __version__
from inkwell.errors import SettingsError
from inkwell.observability.outcome import RequestOutcome

SHOWN_CHARACTERS = 80  # of a value in a message
DISABLED = "OTEL_SDK_DISABLED"
EXPORTER = "OTEL_TRACES_EXPORTER"
OTHER_EXPORTERS = ("OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")
FILES = ("OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE")
# Of each pair, the variable for traces takes precedence over the one for all signals.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
TIMEOUTS = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
TIMEOUT_MS = "10000"
HEADER = re.compile(r"\s*[\w!#$&'*+.^`|~-]+\s*=[^\",;\\]*", re.ASCII)
SENDABLE = re.compile(r"[\t -~]*")  # what a header may hold once its escapes are read


class RequestSpan(Protocol):
    """The span of one HTTP request, the parent of all spans that begin in its thread until `leave`."""

    def leave(self) -> None:
        """Called in the thread that began the span: spans that begin there later do not belong to it."""
        ...

    def end(self, route: str | None, status: int) -> None:
        """Called from any thread when the reply was sent. `route` is a rule of our table, None for other addresses."""
        ...


class Tracing(Protocol):
    """Makes the spans of one service and sends them. Thread-safe."""

    def request(self, method: str | None, headers: Mapping[str, str], request_id: str) -> RequestSpan:
        """Begin the span of a request, as a child of the caller's span if `headers` name one.

        `method` is None for a method that HTTP does not define.
        """
        ...

    def listen(self) -> Callable[[RequestOutcome], None]:
        """A generation begins within the current span; returns what records its spans when it has ended."""
        ...

    def close(self) -> None:
        """Send the remaining spans, within two seconds."""
        ...


def tracing(variables: Mapping[str, str]) -> Tracing | None:
    """The tracer that these OTEL_* variables of this process ask for; None if they ask for none.

    Raises SettingsError for values that OpenTelemetry refuses.
    """
    if not wanted(variables):
        return None
    try:
        from inkwell.observability.otlp import Otlp  # takes a third of a second and 15 MB, which few need

        return Otlp(__version__, _resource(variables), timeout_s(variables))
    except ValueError as error:
        raise SettingsError(f"OpenTelemetry refuses a variable: {error}") from error


def wanted(variables: Mapping[str, str]) -> bool:
    """Whether these variables ask for traces: by an endpoint, or by the exporter, whose endpoint is then this host."""
    exporter = variables.get(EXPORTER, "").lower()
    named = exporter == "otlp" or (not exporter and bool(variables.get(counting(variables, ENDPOINTS))))
    return named and not _disabled(variables)


def counting(variables: Mapping[str, str], names: tuple[str, ...]) -> str:
    """The name that takes precedence: the first of these that is set."""
    return next((name for name in names if variables.get(name)), names[0])


def timeout_s(variables: Mapping[str, str]) -> float:
    """The timeout of one attempt to send. The standard has milliseconds, which the SDK would take for seconds."""
    name = counting(variables, TIMEOUTS)
    text = variables.get(name) or TIMEOUT_MS
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{name} must be a positive number of milliseconds but got {text}")
    return int(text) / 1000


def check(variables: Mapping[str, str]) -> None:
    """Raises SettingsError for the first variable that asks for what the service does not have."""
    if _disabled(variables):
        return
    _refuse_unless(variables, EXPORTER, "otlp or none", lambda value: value.lower() in ("otlp", "none"))
    for name in OTHER_EXPORTERS:
        _refuse_unless(variables, name, "none", lambda value: value.lower() == "none")
    for name in FILES:
        _refuse_unless(variables, name, "left out: no file is read, only variables", lambda _: False)
    if variables.get(EXPORTER, "").lower() == "none":
        return
    protocol = counting(variables, PROTOCOLS)
    _refuse_unless(variables, protocol, "http/protobuf", lambda value: value.lower() == "http/protobuf")
    _refuse_unless(variables, counting(variables, ENDPOINTS), "an address such as http://collector:4318", _is_address)
    for name in HEADERS:
        _refuse_unless(variables, name, "name=value pairs with commas between and escapes such as %20", _are_headers)


def _resource(variables: Mapping[str, str]) -> dict[str, str]:
    """What spans say of their service, unless the variables name it."""
    named = "OTEL_SERVICE_NAME" in variables or "service.name=" in variables.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return {} if named else {"service.name": "inkwell"}


def _disabled(variables: Mapping[str, str]) -> bool:
    return variables.get(DISABLED, "").lower() == "true"


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # also of a port that is not a number
        return False


def _are_headers(text: str) -> bool:
    return all(HEADER.fullmatch(each) and SENDABLE.fullmatch(unquote(each)) for each in text.split(","))


def _refuse_unless(variables: Mapping[str, str], name: str, wanted: str, fits: Callable[[str], bool]) -> None:
    """A variable that is set must fit; a value that may hold a key is not shown."""
    value = variables.get(name)
    if value and not fits(value):
        shown = "" if name in ENDPOINTS + HEADERS else f"; it is {value[:SHOWN_CHARACTERS]!r}"
        raise SettingsError(f"{name} must be {wanted}{shown}")
