"""OpenTelemetry's variables: values that are rejected at startup, and what the message shows of them."""

from contextlib import nullcontext

import pytest

from inkwell.errors import SettingsError
from inkwell.settings.settings import otel_variables


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRACES_EXPORTER", "zipkin"),
        ("TRACES_EXPORTER", "otlp,console"),
        ("METRICS_EXPORTER", "otlp"),
        ("LOGS_EXPORTER", "otlp"),
        ("SDK_DISABLED", "1"),
        ("CONFIG_FILE", "/etc/otel.yaml"),
        ("EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("EXPORTER_OTLP_TIMEOUT", "10s"),
        ("BSP_SCHEDULE_DELAY", "0"),
        ("BSP_MAX_EXPORT_BATCH_SIZE", "4096"),
        ("SPAN_ATTRIBUTE_COUNT_LIMIT", "-1"),
        ("TRACES_SAMPLER", "jaeger_remote"),
        ("TRACES_SAMPLER_ARG", "0.1"),
        ("PROPAGATORS", "tracecontext,b3"),
        ("RESOURCE_ATTRIBUTES", "novalue"),
        ("RESOURCE_ATTRIBUTES", "a=b, =c"),
    ],
)
def test_what_the_service_does_not_have_stops_the_start(name: str, value: str):
    with pytest.raises(SettingsError, match=f"OTEL_{name} must be .*{value}"):
        otel_variables({f"OTEL_{name}": value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENDPOINT", "canary:4318"),
        ("ENDPOINT", "user:canary@collector"),
        ("ENDPOINT", "http://user:canary@collector:abc"),
        ("TRACES_ENDPOINT", "http://"),
        ("HEADERS", "api-key=canary;cd"),
        ("HEADERS", "canary"),
        ("HEADERS", "api-key=a, =canary"),
        ("HEADERS", "api-key=canary,"),
        ("TRACES_HEADERS", 'api-key="canary"'),
        ("TRACES_HEADERS", "api-key=canary%0Ax"),
    ],
)
def test_what_may_hold_a_key_is_checked_and_never_shown(name: str, value: str):
    with pytest.raises(SettingsError, match=f"^OTEL_EXPORTER_OTLP_{name} must be ") as caught:
        otel_variables({f"OTEL_EXPORTER_OTLP_{name}": value})
    assert "canary" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EXPORTER_OTLP_HEADERS", "api-key=ab==, Authorization=Bearer%20x,y=Basic a:b,z="),
        ("EXPORTER_OTLP_ENDPOINT", "https://user:secret@[::1]:4318/here"),
        ("RESOURCE_ATTRIBUTES", "service.name=tales, deployment.environment=a%20b=c,empty="),
    ],
)
def test_what_the_library_reads_is_let_through(name: str, value: str):
    assert otel_variables({f"OTEL_{name}": value}) == {f"OTEL_{name}": value}


def test_a_variable_for_traces_goes_before_the_one_for_everything():
    general = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}
    assert otel_variables(general) == general


@pytest.mark.parametrize(
    ("argument", "fits"), [("0", True), ("0.25", True), ("1.5", False), ("nan", False), ("", True)]
)
def test_a_share_of_traces_is_between_nothing_and_everything(argument: str, fits: bool):
    variables = {"OTEL_TRACES_SAMPLER": "TraceIdRatio", "OTEL_TRACES_SAMPLER_ARG": argument}
    with nullcontext() if fits else pytest.raises(SettingsError, match="from 0 to 1"):
        otel_variables(variables)
