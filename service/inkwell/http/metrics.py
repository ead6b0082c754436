"""`/metrics`: what Prometheus scrapes, and the count of replies in it. Its scope is `metrics`."""

from flasgger import swag_from
from flask import Blueprint, Flask, Response, g, request

from inkwell.http.access_log import route
from inkwell.http.openapi import Spec, key_responses
from inkwell.observability.metrics import Metrics

SPEC: Spec = {
    "tags": ["service"],
    "summary": "Metrics for Prometheus",
    "description": "In Prometheus' text form, or in that of OpenMetrics where `Accept` prefers it.",
    "responses": {"200": {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    | key_responses(),
}


def register(app: Flask, metrics: Metrics) -> None:
    """Serve the page, and count every reply when its first byte leaves. Errors are noted in `g.record`."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    @swag_from(SPEC)
    def page() -> Response:
        text, content_type = metrics.text(request.headers.get("Accept", ""))
        return Response(text, content_type=content_type)

    def count(response: Response) -> Response:
        metrics.answered(route(), response.status_code)
        if g.record.code is not None:
            metrics.refused(g.record.code)
        return response

    app.register_blueprint(routes)
    app.after_request(count)
