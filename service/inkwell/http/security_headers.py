"""Adds `X-Content-Type-Options: nosniff` to every reply.

Without it, a browser may treat a generated text that begins like HTML as a page of this origin and run its scripts.
Apache adds the header to the replies that it generates itself.
"""

from flask import Flask, Response


def register(app: Flask) -> None:
    """Add the header to every reply of the application."""

    def add_header(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    app.after_request(add_header)
