"""What every dialect is built on: the one argument, beside the application, of its `register(app, services)`."""

from dataclasses import dataclass

from inkwell.generation import Generator, Limits
from inkwell.models.registry import Registry
from inkwell.parameters.transcript import Script


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a service that its dialects share; built once, in app.py."""

    generator: Generator
    registry: Registry
    default_model: str
    limits: Limits  # of one request
    max_requests: int  # running or waiting at once
    script: Script  # how a conversation is written down where the request does not say
    version: str
