"""Wires the service: the only place where its parts meet.

Takes settings, gives a Flask application. Nothing here or above imports torch: models live in worker processes.
"""

from flask import Flask

from service import __version__
from service.admission import Admission
from service.api import docs, generate, health, models, problems, request_id
from service.engine.contract import EngineConfig
from service.generation import Generator
from service.preload import Preload
from service.refusals import BODY_BYTES
from service.registry.drafts import Drafts
from service.registry.model import Library
from service.registry.registry import Registry
from service.settings import Settings


def create_app(settings: Settings) -> Flask:
    """The application; models named by `settings.preload` begin to load at once, in the background."""
    registry = _registry(settings)
    admission = Admission(settings.max_requests, settings.state_dir)
    preload = Preload(registry, settings.preload, settings.default_model, settings.retry_load_s)
    generator = Generator(registry, admission, settings.default_model, settings.request_timeout_s)

    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES
    app.json.sort_keys = False
    app.extensions["inkwell"] = registry  # for whoever ends the process: wsgi.py and the tests
    request_id.register(app)
    problems.register(app)
    app.register_blueprint(generate.blueprint(generator, settings.ping_s))
    app.register_blueprint(models.blueprint(registry, settings.default_model))
    app.register_blueprint(health.blueprint(registry, admission, preload, settings.default_model))
    docs.register(app, __version__)
    preload.start()
    return app


def _registry(settings: Settings) -> Registry:
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
    library = Library(settings.models_dir)
    load_timeout_s = min(settings.load_timeout_s, settings.request_timeout_s)  # who waits is under a deadline already
    drafts = Drafts(library, settings.draft_models if settings.speculation != "off" else ())
    return Registry(library, config, settings.max_models, load_timeout_s, settings.retry_load_s, drafts)
