"""OpenAI's `/v1/completions`, `/v1/chat/completions` and `/v1/models`."""

from flask import Flask

from inkwell.dialects.openai import chat, completions
from inkwell.http.services import Services


def register(app: Flask, services: Services) -> None:
    """Serve the endpoints."""
    app.register_blueprint(completions.blueprint(services))
    app.register_blueprint(chat.blueprint(services))
