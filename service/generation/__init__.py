"""From a valid request to pieces of text: the one path below every dialect of the API."""

from service.generation.choice import Choice
from service.generation.events import Finish, Silence, TextEvent, TextToken
from service.generation.generation import Generation
from service.generation.generator import Generator, Limits
from service.generation.prompts import Names

__all__ = [
    "Choice",
    "Finish",
    "Generation",
    "Generator",
    "Limits",
    "Names",
    "Silence",
    "TextEvent",
    "TextToken",
]
