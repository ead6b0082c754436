"""An OpenTelemetry collector for tests: receives OTLP over HTTP in its real encoding, and stores the spans."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


@dataclass(frozen=True, slots=True)
class Received:
    """A received span, with ids in hexadecimal and times in nanoseconds."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    begin: int
    end: int
    failed: bool
    attributes: dict[str, object]
    resource: dict[str, object]


class Collector:
    """The spans received so far."""

    def __init__(self) -> None:
        self.address = ""
        self.spans: list[Received] = []
        self.authorizations: set[str | None] = set()
        self._changed = threading.Condition()

    def take(self, body: bytes, authorization: str | None) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._changed:
            self.authorizations.add(authorization)
            for group in request.resource_spans:
                resource = _plain(group.resource.attributes)
                for scope in group.scope_spans:
                    self.spans += [_received(span, resource) for span in scope.spans]
            self._changed.notify_all()

    def wait(self, count: int, timeout_s: float = 20) -> list[Received]:
        """Wait for this number of spans and return all of them; fails on timeout."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.spans) >= count, timeout_s), self.spans
            return list(self.spans)


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Run a collector on a free loopback port."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
            body = self.rfile.read(int(self.headers["Content-Length"]))
            zipped = self.headers["Content-Encoding"] == "gzip"
            collector.take(gzip.decompress(body) if zipped else body, self.headers["Authorization"])
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(ExportTraceServiceResponse().SerializeToString())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        collector.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


def _received(span: object, resource: dict[str, object]) -> Received:
    return Received(
        span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.kind,
        span.start_time_unix_nano, span.end_time_unix_nano, span.status.code == 2,
        _plain(span.attributes), resource,
    )  # fmt: skip


def _plain(attributes: list[KeyValue]) -> dict[str, object]:
    return {item.key: _value(item.value) for item in attributes}


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    return [_value(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)
