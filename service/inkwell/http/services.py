"""`Services`: the parts of the service that every dialect gets, by `register(app, services)`."""

from dataclasses import dataclass

from inkwell.generation import Generator, Limits
from inkwell.models.registry import Registry
from inkwell.parameters.transcript import ChatTemplate


@dataclass(frozen=True, slots=True)
class Services:
    """What all dialects share; built once, in app.py."""

    generator: Generator
    registry: Registry
    default_model: str
    limits: Limits  # of one request
    max_requests: int  # running or waiting at once
    chat_template: ChatTemplate  # for conversations whose request does not set its own
    version: str
