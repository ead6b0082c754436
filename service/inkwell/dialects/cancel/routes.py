"""`DELETE /v1/requests/{request id}`: ends a request that runs or waits; its reply is what it has until then."""

from flasgger import swag_from
from flask import Blueprint, Response, g, jsonify

from inkwell.dialects.cancel import openapi
from inkwell.generation import Generator


def blueprint(generator: Generator) -> Blueprint:
    """The endpoint on a generator."""
    routes = Blueprint("requests", __name__)

    @routes.delete("/v1/requests/<request_id>")
    @swag_from(openapi.cancel())
    def cancel(request_id: str) -> Response:
        return jsonify({"id": request_id, "cancelled": generator.running.cancel(request_id, g.client)})

    return routes
