"""TGI's endpoints: `/generate`, `/generate_stream`, `/` for clients that know the base address alone, and `/info`."""

from typing import Any

from flask import Flask, Response, g, jsonify, request

from inkwell.dialects.tgi import openapi
from inkwell.dialects.tgi.info import info
from inkwell.dialects.tgi.parameters import TgiRequest, parse_tgi
from inkwell.dialects.tgi.reply import StreamShape, reply
from inkwell.generation import FieldNames, Generation, Generator
from inkwell.http.auth import INFER, ScopedBlueprint
from inkwell.http.openapi import documented
from inkwell.http.replies import json_response, sse_response
from inkwell.http.request_body import read_json
from inkwell.http.services import Services
from inkwell.parameters import Generate

NAMES = FieldNames(prompt="inputs", length="max_new_tokens", model="model")


def register(app: Flask, services: Services) -> None:
    """Serve the endpoints."""
    routes = ScopedBlueprint("tgi", __name__, scope=INFER)
    generator = services.generator

    @routes.post("/generate")
    @documented(openapi.generate())
    def generate() -> Response:
        return _answer(generator, parse_tgi(read_json(request)))

    @routes.post("/generate_stream")
    @documented(openapi.generate_stream())
    def generate_stream() -> Response:
        return _answer(generator, parse_tgi(read_json(request), stream=True))

    @routes.post("/")
    @documented(openapi.base())
    def base() -> Response:
        return _answer(generator, parse_tgi(read_json(request)), as_list=True)

    @routes.get("/info")
    @documented(openapi.info())
    def model_info() -> Response:
        return jsonify(info(generator.model(None), services))

    app.register_blueprint(routes)


def _answer(generator: Generator, wanted: TgiRequest, as_list: bool = False) -> Response:
    """At the base address a whole reply is in a list, as in the API of the Hugging Face Hub."""
    opened = generator.start(wanted.request, g.request_id, g.client, NAMES)
    if wanted.request.stream:
        return sse_response(opened, lambda generation: StreamShape(generation, wanted.details), done=b"")

    def whole(generation: Generation[Generate]) -> Any:
        value = reply(generation, wanted.details)
        return [value] if as_list else value

    return json_response(opened, whole)
