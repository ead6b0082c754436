"""Texts of a request without an engine: tests supply the tokens and check the emitted events."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from inkwell.checkpoints.model_config import read_config
from inkwell.engine.contract import TokenEvent
from inkwell.generation.choice import Choice
from inkwell.generation.events import TextEvent
from inkwell.generation.jobs import create_choices
from inkwell.generation.prompts import FieldNames, fitted, text_lengths
from inkwell.models.model_store import Model
from inkwell.parameters import Generate, GenerationRequest
from tests.servable import save_servable

DEMO = Path(__file__).resolve().parents[2] / "models" / "demo"


def demo() -> Model:
    """The demo model, whose tokens are words and parts of words."""
    return Model("demo", DEMO, read_config(DEMO))


def bytewise(folder: Path, context: int) -> Model:
    """A model with one token per byte, created in `folder`."""
    save_servable(folder, context=context)
    return Model("bytes", folder, read_config(folder))


def request_of(*prompts: str | tuple[int, ...], **wanted: Any) -> GenerationRequest[Generate]:
    """A request to generate; `wanted` are fields of it or of its task."""
    return GenerationRequest.from_fields(Generate, {"prompts": prompts, "seed": 7, **wanted})


def choices_for(request: GenerationRequest[Generate], model: Model) -> list[Choice]:
    """Every text of a request."""
    prompts = fitted(request, model, FieldNames())
    return create_choices(request, model, prompts, text_lengths(request.task, prompts, model.config.context), "")


def choice_of(model: Model, prompt: str | tuple[int, ...] = "a", **wanted: Any) -> Choice:
    """The only text of a request."""
    (choice,) = choices_for(request_of(prompt, **wanted), model)
    return choice


def feed(choice: Choice, tokens: Iterable[int], finish: str | None = "length") -> list[TextEvent]:
    """Feed tokens to a text until it ends, the last one with `finish`; return the emitted events."""
    emitted: list[TextEvent] = []
    tokens = list(tokens)
    for place, token in enumerate(tokens):
        last = finish if place == len(tokens) - 1 else None
        event = choice.take(TokenEvent(0, token, last, logprob=-float(place + 1)))
        emitted += [event] if event is not None else []
        if choice.finish:
            break
    return emitted
