"""The header that every reply carries for the sake of browsers: a body is of the type that it declares.

Without it, a browser may take a generated text that begins like HTML for a page of this origin, and run its scripts.
Apache gives the same header to the replies that it makes itself.
"""

from flask import Flask, Response


def register(app: Flask) -> None:
    """Mark every reply of the application."""

    def mark(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    app.after_request(mark)
