"""`DELETE /v1/requests/{request id}`: cancels a running or queued request, whose reply is the text so far."""

from flask import Flask, Response, g, jsonify

from inkwell.dialects.cancel import openapi
from inkwell.http.auth import INFER, ScopedBlueprint
from inkwell.http.openapi import documented
from inkwell.http.services import Services


def register(app: Flask, services: Services) -> None:
    """Serve the endpoint."""
    routes = ScopedBlueprint("requests", __name__, scope=INFER)

    @routes.delete("/v1/requests/<request_id>")
    @documented(openapi.cancel())
    def cancel(request_id: str) -> Response:
        return jsonify({"id": request_id, "cancelled": services.generator.running.cancel(request_id, g.client)})

    app.register_blueprint(routes)
