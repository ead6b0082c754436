"""Wires the service: the only place where its parts meet.

Takes settings, gives a Flask application. Nothing here or above imports torch: models live in worker processes.
"""

from flask import Flask

from inkwell import __version__
from inkwell.access.admission import Admission
from inkwell.access.keys import check_exposure, load_keys
from inkwell.access.quota import Quotas
from inkwell.access.throughput import Pace
from inkwell.dialects.cancel import routes as cancel
from inkwell.dialects.models import routes as models
from inkwell.dialects.native import routes as native
from inkwell.dialects.next import routes as next_token
from inkwell.dialects.openai import chat, completions
from inkwell.dialects.openai.reply import fingerprinting
from inkwell.dialects.score import routes as score
from inkwell.dialects.tgi import routes as tgi
from inkwell.dialects.tgi.info import ServiceFacts
from inkwell.dialects.tokens import routes as tokens
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
    request_body,
    request_id,
    traces,
)
from inkwell.http.gauges import Gauges
from inkwell.models.drafts import Drafts
from inkwell.models.model_store import Library
from inkwell.models.preload import Preload
from inkwell.models.registry import Registry
from inkwell.observability.metrics import Metrics
from inkwell.observability.tracing import Tracing
from inkwell.parameters.refusals import BODY_BYTES
from inkwell.parameters.transcript import Script
from inkwell.settings.settings import Settings


def create_app(settings: Settings, tracing: Tracing | None = None) -> Flask:
    """The application; models named by `settings.preload` begin to load at once, in the background.

    Raises SettingsError for keys that cannot be read, and for an open door to other machines that nobody asked for.
    """
    keys = load_keys(settings.keys_file, settings.keys)
    check_exposure(keys, settings.host, settings.open)
    counts, pace = Metrics(), Pace()
    registry = _registry(settings, counts)
    quotas = Quotas(settings.requests_per_minute, settings.tokens_per_minute)
    admission = Admission(settings.max_requests, settings.state_dir, pace)
    preload = Preload(registry, settings.preload, settings.default_model, settings.retry_load_s)
    limits = Limits(settings.request_timeout_s, settings.max_samples, settings.max_tokens_per_request)
    watchers = [counts.watch, access_log.watch, *([tracing.watch] if tracing else [])]
    generator = Generator(registry, admission, quotas, pace, settings.default_model, limits, watchers)
    counts.registry.register(Gauges(registry, admission, pace, __version__))

    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES
    app.json.sort_keys = False
    app.extensions["inkwell"] = registry  # for whoever ends the process: wsgi.py and the tests
    request_id.register(app)
    access_log.register(app)
    if tracing:
        traces.register(app, tracing)
    error_handlers.register(app)
    cors.register(app, settings.cors_origins)  # before auth: a preflight carries no key
    if not (keys.configured or settings.open):
        host_check.register(app, settings.hosts, settings.cors_origins)
    auth.register(app, keys)
    request_body.register(app, admission)
    metrics.register(app, counts)
    _register_dialects(app, generator, registry, settings)
    app.register_blueprint(models.blueprint(registry, settings.default_model))
    app.register_blueprint(health.blueprint(registry, admission, preload, settings.default_model))
    docs.register(app, __version__)
    preload.start()
    return app


def _register_dialects(app: Flask, generator: Generator, registry: Registry, settings: Settings) -> None:
    """Everything that goes through the generator."""
    facts = ServiceFacts(__version__, settings.max_requests, settings.max_samples)
    app.register_blueprint(native.blueprint(generator, settings.ping_s))
    app.register_blueprint(tgi.blueprint(generator, registry, facts, settings.ping_s))
    app.register_blueprint(tokens.blueprint(generator))
    app.register_blueprint(score.blueprint(generator))
    app.register_blueprint(next_token.blueprint(generator))
    app.register_blueprint(cancel.blueprint(generator))
    fingerprint = fingerprinting(registry, __version__)
    app.register_blueprint(completions.blueprint(generator, registry, fingerprint, settings.ping_s))
    app.register_blueprint(chat.blueprint(generator, _script(settings), fingerprint, settings.ping_s))


def _script(settings: Settings) -> Script:
    return Script(
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
    library = Library(settings.models_dir, dict(settings.model_aliases))
    load_timeout_s = min(settings.load_timeout_s, settings.request_timeout_s)  # who waits is under a deadline already
    drafts = Drafts(library, settings.draft_models if settings.speculation != "off" else ())
    return Registry(library, config, settings.max_models, load_timeout_s, settings.retry_load_s, drafts, counts)
