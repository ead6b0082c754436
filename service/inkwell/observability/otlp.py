"""OpenTelemetry spans, sent in batches to a collector over OTLP/HTTP.

A request is one server span; its child is the generation, whose children are the phases prepare (tokenization and
loading the model), queue, prefill (to the first token) and decode. Attributes are names, counts and ids: no text, and
no URL, because it may contain a prompt. The SDK reads endpoint, headers, sampler and sizes from the environment.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import Token
from functools import partial

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context

from inkwell.observability.outcome import CANCELLED, OK, REFUSED, RequestOutcome

CLOSE_MS = 2_000
NO_METHOD, NO_METHOD_NAME = "_OTHER", "HTTP"  # OpenTelemetry's names for an unknown method and its span
Attribute = str | int | tuple[str, ...]
NOT_FAILED = (OK, CANCELLED, REFUSED)


class OtlpRequest:
    """The span of one request, current in its thread until `leave`."""

    def __init__(self, span: Span, name: str) -> None:
        self._span = span
        self._name = name
        self._token: Token[Context] = attach(set_span_in_context(span))

    def leave(self) -> None:
        detach(self._token)

    def end(self, route: str | None, status: int) -> None:
        self._span.set_attribute("http.response.status_code", status)
        if route is not None:
            self._span.update_name(f"{self._name} {route}")
            self._span.set_attribute("http.route", route)
        if status >= 500:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class Otlp:
    """A separate tracer; the library's global tracer provider stays unchanged."""

    def __init__(self, version: str, resource: Mapping[str, str], timeout_s: float) -> None:
        own = {"service.version": version, **resource}
        self._provider = TracerProvider(resource=Resource.create(own), shutdown_on_exit=False)
        self._exporter = OTLPSpanExporter(timeout=timeout_s)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("inkwell", version)

    def request(self, method: str | None, headers: Mapping[str, str], request_id: str) -> OtlpRequest:
        attributes = {"http.request.method": method or NO_METHOD, "inkwell.request_id": request_id}
        name = method or NO_METHOD_NAME
        span = self._tracer.start_span(name, extract(headers), SpanKind.SERVER, attributes)
        return OtlpRequest(span, name)

    def listen(self) -> Callable[[RequestOutcome], None]:
        return partial(self._ended, get_current())

    def close(self) -> None:
        self._provider.force_flush(CLOSE_MS)
        self._provider.shutdown()

    def _ended(self, parent: Context, outcome: RequestOutcome) -> None:
        began = time.time_ns() - _ns(outcome.duration_s)
        span = self._tracer.start_span("generate", parent, attributes=_attributes(outcome), start_time=began)
        inside = set_span_in_context(span, parent)
        for name, from_s, to_s in phases(outcome):
            phase = self._tracer.start_span(name, inside, start_time=began + _ns(from_s))
            phase.end(began + _ns(to_s))
        if outcome.result not in NOT_FAILED:
            span.set_status(Status(StatusCode.ERROR, outcome.result))
        span.end(began + _ns(outcome.duration_s))


def phases(outcome: RequestOutcome) -> Iterator[tuple[str, float, float]]:
    """Name, start and end of each phase that the request reached, in seconds from its start and without gaps."""
    end_s = outcome.duration_s
    if outcome.submitted_s is None:
        yield "prepare", 0.0, end_s
        return
    yield "prepare", 0.0, outcome.submitted_s
    if not outcome.computed:
        yield "queue", outcome.submitted_s, end_s
        return
    first_s = end_s if outcome.first_token_s is None else outcome.first_token_s
    slot_s = min(outcome.submitted_s + outcome.queue_s, first_s)
    yield "queue", outcome.submitted_s, slot_s
    yield "prefill", slot_s, first_s
    if outcome.first_token_s is not None:
        yield "decode", first_s, end_s


def _attributes(outcome: RequestOutcome) -> dict[str, Attribute]:
    """Attributes named after OpenTelemetry's conventions for generative models, and our own for the rest."""
    model: dict[str, Attribute] = {} if outcome.model is None else {"gen_ai.request.model": outcome.model}
    return model | {
        "gen_ai.operation.name": "text_completion",
        "gen_ai.usage.input_tokens": outcome.prompt_tokens,
        "gen_ai.usage.output_tokens": outcome.generated_tokens,
        "gen_ai.response.finish_reasons": outcome.finish_reasons,
        "inkwell.cached_tokens": outcome.cached_tokens,
        "inkwell.outcome": outcome.result,
        "inkwell.request_id": outcome.request_id,
    }


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
