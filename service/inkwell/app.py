"""Composition root: builds the application from all parts of the service.

Takes settings, returns a Flask application. Nothing here imports torch: models run in worker processes.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from flask import Flask
from flask.json.provider import DefaultJSONProvider

from inkwell import __version__
from inkwell.access.admission import Admission
from inkwell.access.keys import Keys, check_exposure, load_keys
from inkwell.access.quota import Quotas
from inkwell.access.throughput import ThroughputEstimator
from inkwell.engine.contract import EngineConfig
from inkwell.generation import Generator, Limits
from inkwell.http import (
    access_log,
    auth,
    cors,
    docs,
    error_handlers,
    health,
    host_check,
    metrics,
    replies,
    request_body,
    request_id,
    security_headers,
    traces,
)
from inkwell.http.services import Services
from inkwell.models.draft_model_map import DraftModelMap
from inkwell.models.model_store import ModelStore
from inkwell.models.preload import Preload
from inkwell.models.registry import Registry
from inkwell.observability.logs import LogOptions
from inkwell.observability.metrics import Metrics
from inkwell.observability.tracing import Tracing
from inkwell.parameters.refusals import BODY_BYTES
from inkwell.parameters.transcript import ChatTemplate
from inkwell.settings.settings import Settings


class Dialect(Protocol):
    """The interface of each package in dialects/."""

    def register(self, app: Flask, services: Services) -> None:
        """Register the dialect's endpoints."""


# Folders of dialects/, imported by name, so that a dialect is one line here.
DIALECTS = (
    "native",
    "openai",
    "tgi",
    "models",
    "tokens",
    "score",
    "next",
    "cancel",
)


def create_app(settings: Settings, tracing: Tracing | None = None, dialects: Sequence[Dialect] | None = None) -> Flask:
    """Create the application; models named by `settings.preload` start loading at once, in the background.

    Raises SettingsError if keys cannot be read, or if there are none and other machines could reach the service.
    """
    keys = load_keys(settings.keys_file, settings.keys)
    check_exposure(keys, settings.host, settings.open)
    counts, throughput = Metrics(), ThroughputEstimator()
    registry = _registry(settings, counts)
    quotas = Quotas(settings.requests_per_minute, settings.tokens_per_minute)
    admission = Admission(settings.max_requests, settings.state_dir, throughput)
    preload = Preload(registry, settings.preload, settings.default_model, settings.retry_load_s)
    limits = Limits(settings.request_timeout_s, settings.max_samples, settings.max_tokens_per_request)
    listeners = [counts.listen, access_log.listen, *([tracing.listen] if tracing else [])]
    generator = Generator(registry, admission, quotas, throughput, settings.default_model, limits, listeners)
    counts.registry.register(metrics.Gauges(registry, admission, throughput, __version__))

    app = _application(settings, keys, tracing)
    app.extensions["inkwell"] = registry  # closed by wsgi.py, and by the tests, when the process ends
    request_body.register(app, admission)
    replies.register(app, settings.ping_s)
    metrics.register(app, counts)
    services = Services(
        generator, registry, settings.default_model, limits, settings.max_requests, _template(settings), __version__
    )
    for dialect in _dialects() if dialects is None else dialects:
        dialect.register(app, services)
    health.register(app, registry, admission, preload, settings.default_model)
    docs.register(app, __version__)
    auth.check_scopes(app)
    preload.start()
    return app


def _dialects() -> list[Dialect]:
    return [cast(Dialect, import_module(f"inkwell.dialects.{name}")) for name in DIALECTS]


def _application(settings: Settings, keys: Keys, tracing: Tracing | None) -> Flask:
    """An application without endpoints, only with the hooks that run before and after every view, in this order."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES
    app.json = json = DefaultJSONProvider(app)
    json.sort_keys = False
    security_headers.register(app)
    request_id.register(app)
    access_log.register(app)
    if tracing:
        traces.register(app, tracing)
    error_handlers.register(app)
    cors.register(app, settings.cors_origins)  # before auth: a preflight carries no key
    if not (keys.configured or settings.open):
        host_check.register(app, settings.hosts, settings.cors_origins)
    auth.register(app, keys)
    return app


def _template(settings: Settings) -> ChatTemplate:
    return ChatTemplate(
        settings.chat_user,
        settings.chat_assistant,
        settings.chat_template,
        settings.chat_max_turns,
        "drop" if settings.chat_overflow == "drop" else "error",
    )


def _registry(settings: Settings, counts: Metrics) -> Registry:
    config = EngineConfig(
        device=settings.device,
        dtype=settings.dtype,
        threads=settings.threads,
        max_rows=settings.max_rows,
        cache_bytes=settings.cache_mib << 20,
        speculation=settings.speculation,
        kernels=settings.kernels,
        max_memory=settings.max_memory,
    )
    store = ModelStore(settings.models_dir, dict(settings.model_aliases))
    load_timeout_s = min(settings.load_timeout_s, settings.request_timeout_s)  # the request has its own deadline
    drafts = DraftModelMap(store, settings.draft_models if settings.speculation != "off" else ())
    logs = LogOptions(settings.log_level, settings.log_format)
    return Registry(store, config, settings.max_models, load_timeout_s, settings.retry_load_s, drafts, counts, logs)
