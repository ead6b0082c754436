"""`/v1/next`: the distribution of the next token, before and after each step of the sampler."""

from typing import Any

from flask import Flask, Response, g, request

from inkwell.dialects.next import openapi
from inkwell.dialects.next.parameters import parse_next
from inkwell.generation import FieldNames, Generation
from inkwell.http.auth import INFER, ScopedBlueprint
from inkwell.http.openapi import documented
from inkwell.http.replies import json_response, metadata
from inkwell.http.request_body import read_json
from inkwell.http.services import Services
from inkwell.parameters import Inspect

NAMES = FieldNames(prompt="prompt", model="model")


def register(app: Flask, services: Services) -> None:
    """Serve the endpoint."""
    routes = ScopedBlueprint("next", __name__, scope=INFER)

    @routes.post("/v1/next")
    @documented(openapi.next_token())
    def next_token() -> Response:
        opened = services.generator.start(parse_next(read_json(request)), g.request_id, g.client, NAMES)
        return json_response(opened, _reply)

    app.register_blueprint(routes)


def _reply(generation: Generation[Inspect]) -> dict[str, Any]:
    (prompt,) = generation.prompts
    inspection = prompt.inspection
    assert inspection is not None, "comes before the end of its job"
    spelling = generation.model.tokenizer.spelling
    tokens = [
        {
            "id": token,
            "text": spelling(token).decode(errors="replace"),
            "probabilities": {stage.name: stage.probabilities[place] for stage in inspection.stages},
        }
        for place, token in enumerate(inspection.tokens)
    ]
    stages = [
        {"name": stage.name, "kept": stage.kept, "removed": stage.removed, "removed_mass": stage.removed_mass}
        for stage in inspection.stages
    ]
    return {
        "tokens": tokens,
        "stages": stages,
        "model": generation.model.name,
        "inkwell": metadata(generation),
    }
