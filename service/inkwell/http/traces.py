"""The trace span of every HTTP request except probes, from its arrival to its last byte."""

from functools import partial

from flask import Flask, Response, g, request

from inkwell.http.access_log import PROBES, method, rule
from inkwell.observability.tracing import Tracing


def register(app: Flask, tracing: Tracing) -> None:
    """Begin a span before any view; end it when the reply has been sent, for a stream long after the view."""

    def begin() -> None:
        probe = request.blueprint in PROBES
        headers = {name.lower(): value for name, value in request.headers.items()}
        g.span = None if probe else tracing.request(method(), headers, g.request_id)

    def answer(response: Response) -> Response:
        if g.span is not None:
            response.call_on_close(partial(g.span.end, rule(), response.status_code))
        return response

    def leave(error: BaseException | None) -> None:
        if g.span is not None:
            g.span.leave()

    app.before_request(begin)
    app.after_request(answer)
    app.teardown_request(leave)
