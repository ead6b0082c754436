"""What the web tier and a worker say to each other, and how it looks on the line.

Frozen values, sent as JSON arrays over a `multiprocessing.connection.Connection`, which keeps message borders. JSON
and not pickle, so that neither side can make the other run code. Knows no sockets, processes or text.
"""

import json
from dataclasses import astuple, dataclass, replace

from service.engine.contract import EngineConfig, Event, FailureEvent, Job, Sampling, TokenEvent


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
    """The model could not be loaded; the worker ends after this. `code` is that of a class in `service.errors`."""

    code: str
    message: str
    cause: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """The events of one engine step, together in one message: a step of many rows is one write."""

    events: tuple[Event, ...]


Message = Load | Submit | Cancel | Ready | Broken | Step


def encode(message: Message) -> bytes:
    """One message as bytes."""
    if isinstance(message, Step):
        fields = [_fields(event) for event in message.events]
    else:
        fields = list(astuple(message))
    return json.dumps([type(message).__name__, *fields], separators=(",", ":")).encode()


def _fields(event: Event) -> list:
    """Name and values of an event. `astuple` copies deeply and takes four times as long; this runs every step."""
    return [type(event).__name__, *(getattr(event, name) for name in event.__slots__)]


def decode(data: bytes) -> Message:
    """The inverse of `encode`. The other side is our own program: anything unknown is a bug and raises KeyError."""
    name, *fields = json.loads(data)
    return _READERS[name](fields)


def _read_load(fields: list) -> Load:
    folder, config = fields
    return Load(folder, EngineConfig(*config))


def _read_submit(fields: list) -> Submit:
    ((key, prompt, sampling, salt),) = fields
    wanted = Sampling(*sampling)
    return Submit(Job(key, tuple(prompt), replace(wanted, stop_tokens=tuple(wanted.stop_tokens)), salt))


def _read_step(fields: list) -> Step:
    kinds = {"TokenEvent": TokenEvent, "FailureEvent": FailureEvent}
    return Step(tuple(kinds[kind](*values) for kind, *values in fields))


_READERS = {
    "Load": _read_load,
    "Submit": _read_submit,
    "Cancel": lambda fields: Cancel(*fields),
    "Ready": lambda fields: Ready(*fields),
    "Broken": lambda fields: Broken(*fields),
    "Step": _read_step,
}
