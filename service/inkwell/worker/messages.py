"""What the web tier and a worker say to each other, and how it looks on the line.

Frozen values, sent as JSON arrays over a `multiprocessing.connection.Connection`, which keeps message borders. JSON
and not pickle, so that neither side can make the other run code. Knows no sockets, processes or text.
"""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

from inkwell.engine.contract import (
    EngineConfig,
    Event,
    FailureEvent,
    InspectionEvent,
    Job,
    PromptEvent,
    Sampling,
    Stage,
    TokenEvent,
)


@dataclass(frozen=True, slots=True)
class Load:
    """First message to a worker: what to load. The folder is the catalog's, never a request's."""

    folder: str
    config: EngineConfig


@dataclass(frozen=True, slots=True)
class Submit:
    job: Job


@dataclass(frozen=True, slots=True)
class Cancel:
    key: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded. `path` says in words which way it computes; `gpu_bytes` is what it holds beside its RAM."""

    device: str
    dtype: str
    path: str
    rows: int
    gpu_bytes: int


@dataclass(frozen=True, slots=True)
class Broken:
    """The model could not be loaded; the worker ends after this. `code` is that of a class in `inkwell.errors`."""

    code: str
    message: str
    cause: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """The events of one engine step, together in one message: a step of many rows is one write.

    `rows` is how many sequences shared it.
    """

    events: tuple[Event, ...]
    rows: int = 0


Message = Load | Submit | Cancel | Ready | Broken | Step


def encode(message: Message) -> bytes:
    """One message as bytes."""
    if isinstance(message, Step):
        fields = [message.rows, *map(_fields, message.events)]
    else:
        fields = list(astuple(message))
    return json.dumps([type(message).__name__, *fields], separators=(",", ":")).encode()


def _fields(event: Event) -> list:
    """Name and values of an event. `astuple` copies deeply and takes four times as long; this runs every step."""
    if isinstance(event, TokenEvent) and event.finish is None and event.logprob is None and not event.queue_s:
        return ["TokenEvent", event.key, event.token, None]  # as most are: it has nothing else to tell
    if isinstance(event, InspectionEvent):
        return ["InspectionEvent", *astuple(event)]
    return [type(event).__name__, *(getattr(event, name) for name in event.__slots__)]


def decode(data: bytes) -> Message:
    """The inverse of `encode`. The other side is our own program: anything unknown is a bug and raises KeyError."""
    name, *fields = json.loads(data)
    return _READERS[name](fields)


def _read_load(fields: list) -> Load:
    folder, config = fields
    return Load(folder, EngineConfig(*config))


def _read_submit(fields: list) -> Submit:
    ((key, prompt, sampling, *rest),) = fields
    wanted = Sampling(*sampling)
    wanted = replace(wanted, stop_tokens=tuple(wanted.stop_tokens), logit_bias=_pairs(wanted.logit_bias))
    return Submit(Job(key, tuple(prompt), wanted, *rest))


def _read_step(fields: list) -> Step:
    rows, *events = fields
    return Step(tuple(_EVENTS[kind](*values) for kind, *values in events), rows)


def _read_token(*values: Any) -> TokenEvent:
    event = TokenEvent(*values)
    return event if event.top == () else replace(event, top=_pairs(event.top))  # a list, if it was told at all


def _read_prompt(key: int, first: int, logprobs: list, top: list) -> PromptEvent:
    return PromptEvent(key, first, tuple(logprobs), tuple(map(_pairs, top)))


def _read_inspection(key: int, tokens: list, stages: list) -> InspectionEvent:
    read = (Stage(name, tuple(probabilities), *rest) for name, probabilities, *rest in stages)
    return InspectionEvent(key, tuple(tokens), tuple(read))


def _pairs(lists: Sequence[Sequence]) -> tuple[tuple[int, float], ...]:
    return tuple((token, value) for token, value in lists)


_EVENTS = {
    "TokenEvent": _read_token,
    "PromptEvent": _read_prompt,
    "InspectionEvent": _read_inspection,
    "FailureEvent": FailureEvent,
}

_READERS = {
    "Load": _read_load,
    "Submit": _read_submit,
    "Cancel": lambda fields: Cancel(*fields),
    "Ready": lambda fields: Ready(*fields),
    "Broken": lambda fields: Broken(*fields),
    "Step": _read_step,
}
