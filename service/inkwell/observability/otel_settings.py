"""Which of OpenTelemetry's standard variables the service honours, and which values stop the start.

The library reads most of them by itself, and goes on with a warning in the log where it does not know a value. Here
such a value is an error, as every other setting's is; so is a signal or a protocol that the service does not have.
Values that may hold a key are never shown.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import unquote, urlsplit

from inkwell.errors import SettingsError

SHOWN_CHARACTERS = 80  # of a value in a message
EXPORTER = "OTEL_TRACES_EXPORTER"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
SECRET = (*ENDPOINTS, *HEADERS)
TIMEOUTS = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
COMPRESSIONS = ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION")
SAMPLER, SAMPLER_ARGUMENT = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
RATIOS = ("traceidratio", "parentbased_traceidratio")
SAMPLERS = ("always_on", "always_off", "parentbased_always_on", "parentbased_always_off", *RATIOS)
PROPAGATORS = ("tracecontext", "baggage", "none")
BATCH, QUEUE = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_MAX_QUEUE_SIZE"
SIZES = {BATCH: "512", QUEUE: "2048"}  # and the library's own
HEADER = re.compile(r"\s*[\w!#$&'*+.^`|~-]+\s*=[^\",;\\]*", re.ASCII)
SENDABLE = re.compile(r"[\t -~]*")  # what a header may hold once its escapes are read
ATTRIBUTE = re.compile(r"\s*[^\s=][^=]*=.*")
NUMBERS = re.compile(r"OTEL_BSP_[A-Z_]+|OTEL_[A-Z_]+_LIMIT|" + "|".join(TIMEOUTS))


def check(variables: Mapping[str, str]) -> None:
    """Raises SettingsError for the first variable that asks for what the service does not have."""
    _refuse_unless(variables, "OTEL_SDK_DISABLED", "true or false", _among("true", "false"))
    if disabled(variables):
        return
    _refuse_unless(variables, EXPORTER, "otlp or none", _among("otlp", "none"))
    for signal in ("METRICS", "LOGS"):
        _refuse_unless(variables, f"OTEL_{signal}_EXPORTER", "none", _among("none"))
    for name in ("OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"):
        _refuse_unless(variables, name, "left out: no file is read, only variables", _among())
    if variables.get(EXPORTER, "").lower() != "none":
        _check_sending(variables)
        _check_sampling(variables)


def disabled(variables: Mapping[str, str]) -> bool:
    """Whether everything of OpenTelemetry is switched off."""
    return variables.get("OTEL_SDK_DISABLED", "").lower() == "true"


def wanted(variables: Mapping[str, str]) -> bool:
    """Whether these variables ask for traces: by an endpoint, or by the exporter, whose endpoint is then this host."""
    exporter = variables.get(EXPORTER, "").lower()
    named = exporter == "otlp" or (not exporter and bool(variables.get(counting(variables, ENDPOINTS))))
    return named and not disabled(variables)


def counting(variables: Mapping[str, str], names: tuple[str, ...]) -> str:
    """The name among these that counts: the first that is set, so the one for traces before the one for everything."""
    return next((name for name in names if variables.get(name)), names[0])


def _check_sending(variables: Mapping[str, str]) -> None:
    _refuse_unless(variables, counting(variables, PROTOCOLS), "http/protobuf", _among("http/protobuf"))
    _refuse_unless(variables, counting(variables, COMPRESSIONS), "none or gzip", _among("none", "gzip"))
    _refuse_unless(variables, counting(variables, ENDPOINTS), "an address such as http://collector:4318", _is_address)
    for name in HEADERS:
        _refuse_unless(variables, name, "name=value pairs with commas between and escapes such as %20", _are_headers)
    _refuse_unless(variables, "OTEL_RESOURCE_ATTRIBUTES", "name=value pairs with commas between", _are_attributes)
    for name in filter(NUMBERS.fullmatch, variables):
        least = 0 if name.endswith("_LIMIT") else 1
        _refuse_unless(variables, name, f"a whole number from {least} on", partial(_is_number, least))
    batch, queue = (int(variables.get(name, usual)) for name, usual in SIZES.items())
    if batch > queue:
        raise SettingsError(f"{BATCH} must be at most {QUEUE}, which is {queue}; it is {batch}")


def _check_sampling(variables: Mapping[str, str]) -> None:
    _refuse_unless(variables, SAMPLER, f"one of {', '.join(SAMPLERS)}", _among(*SAMPLERS))
    if variables.get(SAMPLER, "").lower() in RATIOS:
        _refuse_unless(variables, SAMPLER_ARGUMENT, "a number from 0 to 1", _is_ratio)
    else:
        _refuse_unless(variables, SAMPLER_ARGUMENT, f"left out unless {SAMPLER} is {' or '.join(RATIOS)}", _among())
    _refuse_unless(variables, "OTEL_PROPAGATORS", f"of {', '.join(PROPAGATORS)}", _are_propagators)


def _among(*allowed: str) -> Callable[[str], bool]:
    """Small and capital letters are the same."""
    return lambda value: value.lower() in allowed


def _are_propagators(text: str) -> bool:
    return all(word.strip() in PROPAGATORS for word in text.split(","))


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # also of a port that is none
        return False


def _are_headers(text: str) -> bool:
    return all(HEADER.fullmatch(each) and SENDABLE.fullmatch(unquote(each)) for each in text.split(","))


def _are_attributes(text: str) -> bool:
    return all(map(ATTRIBUTE.fullmatch, text.split(",")))


def _is_number(least: int, text: str) -> bool:
    return text.isdecimal() and int(text) >= least


def _is_ratio(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def _refuse_unless(variables: Mapping[str, str], name: str, wanted: str, fits: Callable[[str], bool]) -> None:
    """A variable that is set must fit."""
    value = variables.get(name)
    if value and not fits(value):
        shown = "" if name in SECRET else f"; it is {value[:SHOWN_CHARACTERS]!r}"
        raise SettingsError(f"{name} must be {wanted}{shown}")
