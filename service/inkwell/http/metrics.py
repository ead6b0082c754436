"""`/metrics`: what Prometheus scrapes, and the count of replies in it."""

from flask import Flask, Response, g, request

from inkwell.access.keys import METRICS
from inkwell.http.access_log import route
from inkwell.http.auth import ScopedBlueprint
from inkwell.http.openapi import KEY_ERRORS, Spec, documented, error_responses
from inkwell.observability.metrics import Metrics

SPEC: Spec = {
    "tags": ["service"],
    "summary": "Metrics for Prometheus",
    "description": "In Prometheus' text form, or in that of OpenMetrics where `Accept` prefers it.",
    "responses": {"200": {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    | error_responses(*KEY_ERRORS),
}


def register(app: Flask, metrics: Metrics) -> None:
    """Serve the page, and count every reply when its first byte leaves. Errors are noted in `g.log_entry`."""
    routes = ScopedBlueprint("metrics", __name__, scope=METRICS)

    @routes.get("/metrics")
    @documented(SPEC)
    def page() -> Response:
        text, content_type = metrics.text(request.headers.get("Accept", ""))
        return Response(text, content_type=content_type)

    def count(response: Response) -> Response:
        metrics.answered(route(), response.status_code)
        if g.log_entry.code is not None:
            metrics.refused(g.log_entry.code)
        return response

    app.register_blueprint(routes)
    app.after_request(count)
