"""OpenAI's `/v1/completions`, also at its older address, and `/v1/models`."""

from pathlib import Path
from typing import Any

from flask import Response, g, jsonify, request

from inkwell.checkpoints.catalog import Folder
from inkwell.dialects.openai import openapi
from inkwell.dialects.openai.completion_parameters import Completion, ScoredPrompts, parse_completion
from inkwell.dialects.openai.completion_reply import CompletionReply, ScoredPromptsReply
from inkwell.dialects.openai.reply import ReplyOptions, fingerprint, respond
from inkwell.errors import InvalidParameter
from inkwell.generation import FieldNames, Generation
from inkwell.http.auth import INFER, ScopedBlueprint
from inkwell.http.openapi import documented
from inkwell.http.request_body import read_json
from inkwell.http.services import Services
from inkwell.models.listing import entry
from inkwell.models.model_store import Model
from inkwell.models.registry import Registry
from inkwell.parameters import Generate, GenerationRequest, Score, Task
from inkwell.parameters.sampling import check_tokens

NAMES = FieldNames(prompt="prompt", length="max_tokens", model="model")
SERVABLE = ("available", "loading", "ready")


def blueprint(services: Services) -> ScopedBlueprint:
    """The endpoints."""
    routes = ScopedBlueprint("openai", __name__, scope=INFER, url_prefix="/v1")
    registry = services.registry

    @routes.post("/completions")
    @documented(openapi.completions())
    def completions() -> Response:
        return _answer(services, parse_completion(read_json(request)))

    @routes.post("/engines/<path:engine>/completions")
    @documented(openapi.engine_completions())
    def engine_completions(engine: str) -> Response:
        values = _with_model(read_json(request), _plain(engine))
        return _answer(services, parse_completion(values))

    @routes.get("/models")
    @documented(openapi.models())
    def models() -> Response:
        folders = registry.model_store.folders().values()
        listed = [each for folder in folders if (each := _model(registry, folder))["state"] in SERVABLE]
        return jsonify({"object": "list", "data": listed})

    @routes.get("/models/<path:model>")
    @documented(openapi.model())
    def model(model: str) -> Response:
        found = services.generator.model(_plain(model), NAMES)
        return jsonify(_model(registry, Folder(found.name, found.path, "available")))

    return routes


def _answer(services: Services, asked: Completion | ScoredPrompts) -> Response:
    if isinstance(asked, ScoredPrompts):
        return _answer_scored(services, asked)
    wants_logprobs = asked.request.task.logprobs is not None

    def reply_to(generation: Generation[Generate]) -> CompletionReply:
        return CompletionReply(generation, _options(services, generation, asked.include_usage, wants_logprobs))

    opened = services.generator.start(asked.request, g.request_id, g.client, NAMES)
    return respond(opened, reply_to, asked.request.stream)


def _answer_scored(services: Services, asked: ScoredPrompts) -> Response:
    request = asked.request
    services.limits.check_texts(len(request.prompts) * asked.n, NAMES.prompt if len(request.prompts) > 1 else None)
    wants_logprobs = request.task.prompt_logprobs is not None

    def reply_to(generation: Generation[Score]) -> ScoredPromptsReply:
        options = _options(services, generation, asked.include_usage, wants_logprobs)
        return ScoredPromptsReply(generation, options, asked.n)

    def prepare(model: Model) -> GenerationRequest[Score]:
        check_tokens(asked.sampling, model.name, model.config.vocab_size)
        return request

    opened = services.generator.start_on(request.model_name, prepare, g.request_id, g.client, NAMES)
    return respond(opened, reply_to, request.stream)


def _options(
    services: Services, generation: Generation[Task], include_usage: bool, wants_logprobs: bool
) -> ReplyOptions:
    return ReplyOptions(fingerprint(services, generation.model), include_usage, wants_logprobs)


def _plain(name: str) -> str:
    """A name from a path, in which Apache leaves encoded slashes as they are; no model name has a percent sign."""
    return name.replace("%2F", "/").replace("%2f", "/")


def _with_model(values: dict[str, Any], engine: str) -> dict[str, Any]:
    if values.get("model") not in (None, engine):
        raise InvalidParameter("model differs from the engine in the path", param="model")
    return values | {"model": engine}


def _model(registry: Registry, folder: Folder) -> dict[str, Any]:
    """A model as OpenAI describes it, with three fields of our own."""
    found = entry(registry, folder)
    return {
        "id": folder.name,
        "object": "model",
        "created": _created(folder.path),
        "owned_by": "inkwell",
        "context_length": found.context,
        "family": found.family,
        "state": found.state,
    }


def _created(path: Path) -> int:
    try:
        return int(path.stat().st_mtime)
    except OSError:  # the folder was removed just now
        return 0
