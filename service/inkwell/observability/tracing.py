"""Request tracing: whether OpenTelemetry's standard variables enable it, and the interface of a tracer.

otlp.py is the tracer, and is only imported if tracing is enabled. OpenTelemetry's SDK reads and validates most OTEL_*
variables itself. This module only rejects signals and protocols that the service does not support, and values that may
contain a key, which the SDK would log.
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
SENDABLE = re.compile(r"[\t -~]*")  # characters allowed in a header after unescaping


class RequestSpan(Protocol):
    """The span of one HTTP request, the parent of all spans started in its thread until `leave`."""

    def leave(self) -> None:
        """Called in the thread that started the span: spans started there later are not its children."""
        ...

    def end(self, route: str | None, status: int) -> None:
        """Called from any thread once the response is sent. `route` is a rule of the URL map, None if none matched."""
        ...


class Tracing(Protocol):
    """Makes the spans of one service and sends them. Thread-safe."""

    def request(self, method: str | None, headers: Mapping[str, str], request_id: str) -> RequestSpan:
        """Start the span of a request, as a child of the caller's span if `headers` contain one.

        `method` is None for a method that HTTP does not define.
        """
        ...

    def listen(self) -> Callable[[RequestOutcome], None]:
        """Called when a generation starts in the current span; returns the function that records its spans."""
        ...

    def close(self) -> None:
        """Send the remaining spans, within two seconds."""
        ...


def tracing(variables: Mapping[str, str]) -> Tracing | None:
    """The tracer that these OTEL_* variables configure; None if they do not enable tracing.

    Raises SettingsError for values that OpenTelemetry rejects.
    """
    if not wanted(variables):
        return None
    try:
        from inkwell.observability.otlp import Otlp  # takes a third of a second and 15 MB, so only on demand

        return Otlp(__version__, _resource(variables), timeout_s(variables))
    except ValueError as error:
        raise SettingsError(f"OpenTelemetry rejects a variable: {error}") from error


def wanted(variables: Mapping[str, str]) -> bool:
    """Whether these variables enable traces: by an endpoint, or by the exporter, which then sends to this host."""
    exporter = variables.get(EXPORTER, "").lower()
    named = exporter == "otlp" or (not exporter and bool(variables.get(counting(variables, ENDPOINTS))))
    return named and not _disabled(variables)


def counting(variables: Mapping[str, str], names: tuple[str, ...]) -> str:
    """The name that takes precedence: the first of these that is set."""
    return next((name for name in names if variables.get(name)), names[0])


def timeout_s(variables: Mapping[str, str]) -> float:
    """The timeout of one export. The standard specifies milliseconds, which the SDK would interpret as seconds."""
    name = counting(variables, TIMEOUTS)
    text = variables.get(name) or TIMEOUT_MS
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{name} must be a positive number of milliseconds but got {text}")
    return int(text) / 1000


def check(variables: Mapping[str, str]) -> None:
    """Raises SettingsError for the first variable that requests something the service does not support."""
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
    """The default resource attributes, as far as the variables do not set them."""
    named = "OTEL_SERVICE_NAME" in variables or "service.name=" in variables.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return {} if named else {"service.name": "inkwell"}


def _disabled(variables: Mapping[str, str]) -> bool:
    return variables.get(DISABLED, "").lower() == "true"


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # also raised for a port that is not a number
        return False


def _are_headers(text: str) -> bool:
    return all(HEADER.fullmatch(each) and SENDABLE.fullmatch(unquote(each)) for each in text.split(","))


def _refuse_unless(variables: Mapping[str, str], name: str, wanted: str, fits: Callable[[str], bool]) -> None:
    """Raise unless the variable is unset or valid; a value that may contain a key is not shown."""
    value = variables.get(name)
    if value and not fits(value):
        shown = "" if name in ENDPOINTS + HEADERS else f"; it is {value[:SHOWN_CHARACTERS]!r}"
        raise SettingsError(f"{name} must be {wanted}{shown}")
