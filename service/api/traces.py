"""The span of every HTTP request, from its arrival to its last byte."""

from flask import Flask, Response, g, request

from service.tracing import Tracing


def register(app: Flask, tracing: Tracing) -> None:
    """Begin a span before any view, and end it when the reply was sent, which for a stream is long after the view."""

    def begin() -> None:
        g.span = tracing.request(request.method, request.headers, g.request_id)

    def answer(response: Response) -> Response:
        span, route, status = g.span, request.url_rule.rule if request.url_rule else None, response.status_code
        response.call_on_close(lambda: span.end(route, status))
        return response

    app.before_request(begin)
    app.after_request(answer)
    app.teardown_request(lambda error: g.span.leave())
