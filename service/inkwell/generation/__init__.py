"""Generation: turns a valid request into text events, for every dialect of the API."""

from inkwell.generation.choice import Choice
from inkwell.generation.events import Finish, Heartbeat, TextEvent, TextToken
from inkwell.generation.generation import Generation
from inkwell.generation.generator import Generator, Limits
from inkwell.generation.prompt_state import PromptState
from inkwell.generation.prompts import FieldNames

__all__ = [
    "Choice",
    "Finish",
    "Generation",
    "Generator",
    "Limits",
    "FieldNames",
    "Heartbeat",
    "PromptState",
    "TextEvent",
    "TextToken",
]
