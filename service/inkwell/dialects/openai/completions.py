"""OpenAI's `/v1/completions`, by its old address too, and `/v1/models`."""

from pathlib import Path
from typing import Any

from flasgger import swag_from
from flask import Blueprint, Response, g, jsonify, request

from inkwell.checkpoints.catalog import Folder
from inkwell.dialects.models.routes import entry
from inkwell.dialects.openai import openapi
from inkwell.dialects.openai.completion_parameters import Completion, parse_completion
from inkwell.dialects.openai.completion_reply import CompletionReply
from inkwell.dialects.openai.reply import Fingerprint, Terms
from inkwell.errors import InvalidParameter
from inkwell.generation import Generator, Names
from inkwell.http.request_body import read_json
from inkwell.models.registry import Registry

NAMES = Names(prompt="prompt", length="max_tokens", model="model")
SERVABLE = ("available", "loading", "ready")


def blueprint(generator: Generator, registry: Registry, fingerprint: Fingerprint, ping_s: float) -> Blueprint:
    """The endpoints on a generator and its registry; `ping_s` is the longest silence of a stream."""
    routes = Blueprint("openai", __name__, url_prefix="/v1")

    @routes.post("/completions")
    @swag_from(openapi.completions())
    def completions() -> Response:
        return _answer(generator, parse_completion(read_json(request)), fingerprint, ping_s)

    @routes.post("/engines/<path:engine>/completions")
    @swag_from(openapi.engine_completions())
    def engine_completions(engine: str) -> Response:
        values = _with_model(read_json(request), _plain(engine))
        return _answer(generator, parse_completion(values), fingerprint, ping_s)

    @routes.get("/models")
    @swag_from(openapi.models())
    def models() -> Response:
        folders = registry.library.folders().values()
        listed = [each for folder in folders if (each := _model(registry, folder))["state"] in SERVABLE]
        return jsonify({"object": "list", "data": listed})

    @routes.get("/models/<path:model>")
    @swag_from(openapi.model())
    def model(model: str) -> Response:
        found = generator.model(_plain(model), NAMES)
        return jsonify(_model(registry, Folder(found.name, found.path, "available")))

    return routes


def _answer(generator: Generator, asked: Completion, fingerprint: Fingerprint, ping_s: float) -> Response:
    generation = generator.start(asked.request, g.request_id, g.client, NAMES)
    wants_logprobs = asked.request.logprobs is not None
    terms = Terms(g.request_id, fingerprint(generation.model.name), asked.include_usage, wants_logprobs)
    return CompletionReply(generation, terms).respond(ping_s)


def _plain(name: str) -> str:
    """A name from an address, where Apache leaves an encoded slash as it is; no model's name has a percent sign."""
    return name.replace("%2F", "/").replace("%2f", "/")


def _with_model(values: dict[str, Any], engine: str) -> dict[str, Any]:
    if values.get("model") not in (None, engine):
        raise InvalidParameter("model differs from the engine in the address", param="model")
    return values | {"model": engine}


def _model(registry: Registry, folder: Folder) -> dict[str, Any]:
    """A model as OpenAI describes one, and what a program may want to know of it here."""
    facts = entry(registry, folder)
    return {
        "id": folder.name,
        "object": "model",
        "created": _created(folder.path),
        "owned_by": "inkwell",
        "context_length": facts["context"],
        "family": facts["family"],
        "state": facts["state"],
    }


def _created(path: Path) -> int:
    try:
        return int(path.stat().st_mtime)
    except OSError:  # it went away just now
        return 0
