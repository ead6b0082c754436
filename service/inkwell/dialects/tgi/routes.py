"""TGI's endpoints: `/generate`, `/generate_stream`, `/` for clients that know the base address alone, and `/info`."""

from typing import Any

from flasgger import swag_from
from flask import Blueprint, Response, g, jsonify, request

from inkwell.dialects.tgi import openapi
from inkwell.dialects.tgi.info import ServiceFacts, info
from inkwell.dialects.tgi.parameters import TgiRequest, parse_tgi
from inkwell.dialects.tgi.reply import StreamShape, reply
from inkwell.generation import Choice, Generation, Generator, Names
from inkwell.http.replies import streamed, whole
from inkwell.http.request_body import read_json
from inkwell.models.registry import Registry

NAMES = Names(prompt="inputs", length="max_new_tokens", model="model")


def blueprint(generator: Generator, registry: Registry, facts: ServiceFacts, ping_s: float) -> Blueprint:
    """The endpoints on a generator; `ping_s` is the longest silence of a stream."""
    routes = Blueprint("tgi", __name__)

    @routes.post("/generate")
    @swag_from(openapi.generate())
    def generate() -> Response:
        return _answer(generator, parse_tgi(read_json(request)), ping_s)

    @routes.post("/generate_stream")
    @swag_from(openapi.generate_stream())
    def generate_stream() -> Response:
        return _answer(generator, parse_tgi(read_json(request), stream=True), ping_s)

    @routes.post("/")
    @swag_from(openapi.base())
    def base() -> Response:
        return _answer(generator, parse_tgi(read_json(request)), ping_s, as_list=True)

    @routes.get("/info")
    @swag_from(openapi.info())
    def model_info() -> Response:
        return jsonify(info(generator.model(None), registry, facts))

    return routes


def _answer(generator: Generator, wanted: TgiRequest, ping_s: float, as_list: bool = False) -> Response:
    """The reply; at the base address a whole one stands in a list, as the hub's own API has it."""
    generation = generator.start(wanted.request, g.request_id, g.client, NAMES)
    if wanted.request.stream:
        shape = StreamShape(generation, wanted.details, g.request_id)
        return streamed(generation, shape.frame, list, ping_s, done=b"")
    return whole(generation, lambda best: _whole(generation, best, wanted.details, as_list))


def _whole(generation: Generation, best: list[Choice], details: bool, as_list: bool) -> Response | dict[str, Any]:
    value = reply(generation, best[0], details, g.request_id)
    return jsonify([value]) if as_list else value
