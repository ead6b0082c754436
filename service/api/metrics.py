"""`/metrics`: what Prometheus scrapes, and the count of replies in it. Its scope is `metrics`."""

from flasgger import swag_from
from flask import Blueprint, Flask, Response, request

from service.api.spec_parts import Spec, key_responses
from service.metrics import Metrics

OTHER = "other"  # the route of addresses that no rule of ours fits
SPEC: Spec = {
    "tags": ["service"],
    "summary": "Metrics for Prometheus",
    "description": "In Prometheus' text form, or in that of OpenMetrics where `Accept` prefers it.",
    "responses": {"200": {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    | key_responses(),
}


def register(app: Flask, metrics: Metrics) -> None:
    """Serve the page, and count every reply when its first byte leaves."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    @swag_from(SPEC)
    def page() -> Response:
        text, content_type = metrics.text(request.headers.get("Accept", ""))
        return Response(text, content_type=content_type)

    def count(response: Response) -> Response:
        metrics.answered(request.url_rule.rule if request.url_rule else OTHER, response.status_code)
        return response

    app.register_blueprint(routes)
    app.after_request(count)
