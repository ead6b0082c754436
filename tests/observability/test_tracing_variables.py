"""OpenTelemetry's variables: values that are rejected at startup, and what the message shows of them."""

import os
import subprocess
import sys

import pytest

from inkwell.errors import SettingsError
from inkwell.settings.settings import SOURCE_ROOT, otel_variables


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRACES_EXPORTER", "zipkin"),
        ("TRACES_EXPORTER", "otlp,console"),
        ("METRICS_EXPORTER", "otlp"),
        ("LOGS_EXPORTER", "otlp"),
        ("CONFIG_FILE", "/etc/otel.yaml"),
        ("EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
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
    ("name", "value"),
    [
        ("EXPORTER_OTLP_TIMEOUT", "10s"),
        ("EXPORTER_OTLP_TRACES_TIMEOUT", "0"),
        ("BSP_SCHEDULE_DELAY", "0"),
        ("BSP_MAX_EXPORT_BATCH_SIZE", "4096"),
        ("SPAN_ATTRIBUTE_COUNT_LIMIT", "-1"),
        ("PROPAGATORS", "tracecontext,b3"),
    ],
)
def test_what_opentelemetry_refuses_stops_the_start_in_one_line(name: str, value: str):
    variables = {"OTEL_TRACES_EXPORTER": "otlp", f"OTEL_{name}": value}
    program = "import sys; from inkwell.__main__ import main; sys.exit(main())"
    environ = {"PATH": "/usr/bin", "INKWELL_LOG_FORMAT": "text", **variables}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=SOURCE_ROOT, env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == os.EX_CONFIG
    assert "OpenTelemetry rejects a variable: " in done.stderr and done.stderr.count("\n") == 1
