"""Traces, received by a collector with the real protocol; without a collector, no tracer is created."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from inkwell.app import create_app
from inkwell.observability.otlp import Otlp, phases
from inkwell.observability.outcome import RequestOutcome
from inkwell.observability.tracing import timeout_s, tracing
from inkwell.settings.settings import Settings, otel_variables
from tests.collector import Collector, Received, running_collector
from tests.live import live_server

ROOT = Path(__file__).resolve().parents[2]
PATH = "/text-generate"
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SERVER = 2  # span kind SERVER
ENDED = RequestOutcome("id", "who", "demo", "ok", ("length",), 4, 0, 5, True, 0.1, 0.2, 0.5, 2.0)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


@contextmanager
def traced(models_dir: Path, collector: Collector, **variables: str) -> Iterator[FlaskClient]:
    """A client of an application that sends to the collector; at the end, all remaining spans are sent."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ({"EXPORTER_OTLP_ENDPOINT": collector.address} | variables).items():
            patch.setenv(f"OTEL_{name}", value)
        sender = tracing(otel_variables())
        assert sender is not None
        collector.spans.clear()
        settings = {"MODELS_DIR": str(models_dir), "DEFAULT_MODEL": "124M", "DEVICE": "cpu", "DTYPE": "float32"}
        app = create_app(Settings.from_environ({f"INKWELL_{name}": value for name, value in settings.items()}), sender)
        try:
            yield app.test_client()
        finally:
            sender.close()
            app.extensions["inkwell"].close()


def tree(spans: list[Received]) -> dict[str, list[str]]:
    """The names of child spans by the name of their parent."""
    names = {span.id: span.name for span in spans}
    return {parent: [span.name for span in sorted(spans, key=lambda span: span.begin) if span.parent == id_]
            for id_, parent in names.items()}  # fmt: skip


def named(spans: list[Received], name: str) -> Received:
    (found,) = [span for span in spans if span.name == name]
    return found


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_request_is_a_tree_of_spans_below_the_callers(models_dir: Path, collector: Collector, stream: bool):
    with traced(models_dir, collector) as client:
        body = {"input_text": "abcd", "length": 5, "temperature": 0, "stream": stream}
        headers = {"traceparent": f"00-{TRACE}-{CALLER}-01", "X-Request-Id": "mine"}
        client.post(PATH, json=body, headers=headers, buffered=True)
    spans = collector.wait(6)
    phases = ["prepare", "queue", "prefill", "decode"]
    assert tree(spans) == {f"POST {PATH}": ["generate"], "generate": phases, **{name: [] for name in phases}}
    assert {span.trace for span in spans} == {TRACE}
    request, generation = named(spans, f"POST {PATH}"), named(spans, "generate")
    assert (request.parent, request.kind, request.failed) == (CALLER, SERVER, False)
    assert request.attributes == {"http.request.method": "POST", "http.route": PATH, "inkwell.request_id": "mine",
                                  "http.response.status_code": 200}  # fmt: skip
    assert generation.attributes["gen_ai.request.model"] == "124M"
    counts = [generation.attributes[f"gen_ai.usage.{side}_tokens"] for side in ("input", "output")]
    assert counts == [4, 5] and generation.attributes["gen_ai.response.finish_reasons"] == ["length"]
    parts = [named(spans, name) for name in phases]
    assert request.begin <= generation.begin == parts[0].begin and parts[-1].end == generation.end <= request.end
    assert all(before.end == after.begin for before, after in itertools.pairwise(parts))
    assert request.resource["service.name"] == "inkwell"


def test_without_a_caller_every_request_is_a_trace_of_its_own(models_dir: Path, collector: Collector):
    with traced(models_dir, collector) as client:
        client.get("/models", buffered=True)
        client.get("/no/such/place?input_text=canary", buffered=True)
    spans = collector.wait(2)
    assert [span.name for span in spans] == ["GET /models", "GET"] and spans[0].trace != spans[1].trace
    assert [span.parent for span in spans] == ["", ""]
    assert "canary" not in repr(spans) and "place" not in repr(spans)


def test_a_failure_is_marked(models_dir: Path, collector: Collector):
    with traced(models_dir, collector) as client:
        client.post(PATH, json={"input_text": "abcd", "model_name": "half"}, buffered=True)
        client.post(PATH, json={"input_text": "a" * 2000}, buffered=True)
    spans = collector.wait(6)
    assert tree(spans[:3]) == {f"POST {PATH}": ["generate"], "generate": ["prepare"], "prepare": []}
    failed, request = spans[1], spans[2]
    assert request.failed and request.attributes["http.response.status_code"] == 503
    assert failed.failed and failed.attributes["inkwell.outcome"] == "model_corrupt"
    assert failed.attributes["gen_ai.request.model"] == "half"
    assert not spans[4].failed and spans[4].attributes["inkwell.outcome"] == "refused"


def test_the_standard_variables_are_honoured(models_dir: Path, collector: Collector):
    names = {"SERVICE_NAME": "tales", "EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20abc"}
    with traced(models_dir, collector, **names, TRACES_SAMPLER="parentbased_always_off") as client:
        client.get("/models", buffered=True)
        client.get("/v1/models", headers={"traceparent": f"00-{TRACE}-{CALLER}-01"}, buffered=True)
    (span,) = collector.wait(1)
    assert (span.name, span.resource["service.name"]) == ("GET /v1/models", "tales")
    assert "Bearer abc" in collector.authorizations


def test_probes_and_scrapes_make_no_traces(models_dir: Path, collector: Collector):
    with traced(models_dir, collector) as client:
        for path in ("/livez", "/readyz", "/health", "/metrics"):
            client.get(path, headers={"traceparent": f"00-{TRACE}-{CALLER}-01"}, buffered=True)
        client.get("/models", buffered=True)
    assert [span.name for span in collector.wait(1)] == ["GET /models"]


def test_a_method_that_http_does_not_define_is_not_recorded(models_dir: Path, collector: Collector):
    with traced(models_dir, collector) as client:
        client.open("/models", method="CANARY", buffered=True)
    (span,) = collector.wait(1)
    assert (span.name, span.attributes["http.request.method"]) == ("HTTP", "_OTHER") and "CANARY" not in repr(span)


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({"TRACES_EXPORTER": "otlp"}, "http://localhost:4318/v1/traces"),
        ({"EXPORTER_OTLP_ENDPOINT": "http://collector:1"}, "http://collector:1/v1/traces"),
    ],
)
def test_an_exporter_alone_sends_to_the_standards_port_of_this_host(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], endpoint: str
):
    for name, value in variables.items():
        monkeypatch.setenv(f"OTEL_{name}", value)
    sender = tracing(otel_variables())
    assert isinstance(sender, Otlp) and sender._exporter._endpoint == endpoint  # not exposed by the library
    sender.close()


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [({}, 10), ({"TIMEOUT": "2500"}, 2.5), ({"TIMEOUT": "2500", "TRACES_TIMEOUT": "500"}, 0.5)],
)
def test_a_timeout_is_in_the_standards_milliseconds(variables: dict[str, str], seconds: float):
    assert timeout_s({f"OTEL_EXPORTER_OTLP_{name}": value for name, value in variables.items()}) == seconds


def test_phases_follow_each_other_from_the_beginning_to_the_end():
    assert list(phases(ENDED)) == [("prepare", 0.0, 0.1), ("queue", 0.1, pytest.approx(0.3)),
                                   ("prefill", pytest.approx(0.3), 0.5), ("decode", 0.5, 2.0)]  # fmt: skip
    scored = replace(ENDED, first_token_s=None)
    assert [(name, end) for name, _, end in phases(scored)][-1] == ("prefill", 2.0)
    waited = replace(ENDED, first_token_s=None, computed=False)
    assert list(phases(waited)) == [("prepare", 0.0, 0.1), ("queue", 0.1, 2.0)]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_SERVICE_NAME": "tales"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_SDK_DISABLED": "TRUE", "OTEL_TRACES_EXPORTER": "zipkin", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_METRICS_EXPORTER": "none"},
    ],
    ids=["nothing", "a name alone", "disabled", "no exporter", "all disabled", "no exporter at all"],
)
def test_nothing_is_imported_where_nothing_is_asked_for(variables: dict[str, str]):
    program = (
        "import sys, inkwell.app\n"
        "from inkwell.settings.settings import otel_variables\n"
        "from inkwell.observability.tracing import tracing\n"
    )
    program += "assert tracing(otel_variables()) is None\nassert 'opentelemetry' not in sys.modules"
    environ = {"PATH": "/usr/bin", **variables}
    subprocess.run([sys.executable, "-c", program], cwd=ROOT / "service", env=environ, check=True, timeout=60)


@pytest.mark.slow
def test_behind_apache_spans_are_sent_and_the_last_ones_before_the_end(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
):
    collector.spans.clear()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")  # nothing is sent before the end
    with live_server(preload="demo") as server:
        answer = subprocess.run(
            ["curl", "-sf", f"{server.url}{PATH}?input_text=Once&length=3"], capture_output=True, check=True, timeout=60
        )
        assert answer.stdout and not collector.spans
    assert {"GET /text-generate", "generate", "decode"} <= {span.name for span in collector.wait(6, 1)}
