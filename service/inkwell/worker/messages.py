"""The messages between the web tier and a worker, and their encoding.

Frozen values, encoded as JSON arrays for a `multiprocessing.connection.Connection`, which preserves message boundaries.
JSON instead of pickle, so that neither side can make the other run code. Knows no sockets, processes or text.
"""

import json
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields, is_dataclass, replace
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from inkwell.engine.contract import (
    EngineConfig,
    Event,
    FailureEvent,
    InspectionEvent,
    Job,
    PromptEvent,
    TokenEvent,
)


@dataclass(frozen=True, slots=True)
class Load:
    """First message to a worker: what to load. The folder comes from the catalog, never from a request."""

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
    """The model is loaded. `path` describes the computation path; `gpu_bytes` is its memory on GPUs.

    `kernels` names the program and the instruction set that compute; the last bits of sums depend on them.
    """

    device: str
    dtype: str
    path: str
    rows: int
    gpu_bytes: int
    kernels: str


@dataclass(frozen=True, slots=True)
class LoadError:
    """The model could not be loaded; the worker ends after this. `code` is that of a class in `inkwell.errors`."""

    code: str
    message: str
    cause: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """The events of one engine step in one message, so that a step of many rows is one write.

    `rows` is the number of sequences in the step.
    """

    events: tuple[Event, ...]
    rows: int = 0


_PLAIN = frozenset({int, float, str, bool, NoneType})  # types that JSON preserves
Message = Load | Submit | Cancel | Ready | LoadError | Step


def encode(message: Message) -> bytes:
    """One message as bytes."""
    values = [message.rows, *map(_event, message.events)] if isinstance(message, Step) else list(astuple(message))
    return json.dumps([type(message).__name__, *values], separators=(",", ":")).encode()


def _event(event: Event) -> list[Any]:
    """Name and values of an event. Runs every step, where `astuple`, a deep copy, would take four times as long."""
    if isinstance(event, TokenEvent) and event.finish is None and event.logprob is None and not event.queue_s:
        return ["TokenEvent", event.key, event.token, None]  # most events: the other fields have their defaults
    if isinstance(event, InspectionEvent):
        return ["InspectionEvent", *astuple(event)]
    return [type(event).__name__, *(getattr(event, name) for name in event.__slots__)]


def decode(data: bytes) -> Message:
    """The inverse of `encode`. The sender is this package too: an unknown message is a bug and raises KeyError."""
    name, *values = json.loads(data)
    return _READERS[name](values)


def _reader(kind: Any) -> Callable[[Any], Any]:
    """A function that builds a value of a type from its JSON, in which dataclasses and tuples are lists."""
    build: Callable[..., Any] = kind
    if is_dataclass(kind):
        types = get_type_hints(kind)
        readers = [_reader(types[item.name]) for item in fields(kind)]
        return lambda values: build(*(read(value) for read, value in zip(readers, values, strict=True)))
    if get_origin(kind) is tuple:
        items = get_args(kind)
        if items[-1] is Ellipsis:
            item = _reader(items[0])
            return lambda values: tuple(map(item, values))
        readers = list(map(_reader, items))
        return lambda values: tuple(read(value) for read, value in zip(readers, values, strict=True))
    assert get_origin(kind) is Literal or _PLAIN.issuperset(get_args(kind) or (kind,)), (
        f"JSON does not preserve a {kind}"
    )
    return lambda value: value


def _read_step(values: list[Any]) -> Step:
    rows, *events = values
    return Step(tuple(_EVENTS[kind](values) for kind, *values in events), rows)


def _read_token(values: list[Any]) -> TokenEvent:
    """The same as `_reader(TokenEvent)`, three times as fast, because it runs for every token."""
    event = TokenEvent(*values)
    return event if event.top == () else replace(event, top=tuple((token, value) for token, value in event.top))


_EVENTS: dict[str, Callable[[list[Any]], Event]] = {
    "TokenEvent": _read_token,
    **{kind.__name__: _reader(kind) for kind in (PromptEvent, InspectionEvent, FailureEvent)},
}

_READERS: dict[str, Callable[[list[Any]], Message]] = {
    "Step": _read_step,
    **{kind.__name__: _reader(kind) for kind in (Load, Submit, Cancel, Ready, LoadError)},
}
