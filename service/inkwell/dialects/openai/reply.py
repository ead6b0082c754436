"""The envelope of OpenAI's replies, whole and in chunks: ids, usage, finish reasons, and our metadata at the end.

Subclasses shape the choices within. Everything is built from a `Generation` and its events.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from flask import Response

from inkwell.generation import Choice, Finish, Generation, TextEvent
from inkwell.http.replies import Opened, json_response, metadata, sse_response
from inkwell.http.services import Services
from inkwell.models.model_store import Model
from inkwell.parameters import Generate, Task

Json = dict[str, Any]
TaskT = TypeVar("TaskT", bound=Task)
# OpenAI has two finish reasons; the native one is in the metadata.
REASONS: Mapping[Finish, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "sentence": "stop",
    "cancelled": "stop",
    "length": "length",
    "timeout": "length",
}


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """What a reply contains beside its texts. `fingerprint` is the system_fingerprint; `more` extends the metadata."""

    fingerprint: str | None
    include_usage: bool
    logprobs: bool  # were requested
    more: Mapping[str, Any] = field(default_factory=dict)


class Reply(ABC):
    """One reply to any task; a subclass names its objects and shapes their choices."""

    PREFIX: ClassVar[str]
    OBJECT: ClassVar[str]
    CHUNK: ClassVar[str]

    def __init__(self, generation: Generation[Task], options: ReplyOptions) -> None:
        self.options = options
        self._generation = generation
        self._created = int(time.time())

    def whole(self) -> Json:
        """The whole reply."""
        return self._object(self.OBJECT, self.choices()) | {"usage": self._usage(), "inkwell": self._metadata()}

    @abstractmethod
    def choices(self) -> list[Json]:
        """The choices of the whole reply."""

    @abstractmethod
    def frames(self, event: TextEvent) -> list[Json]:
        """The chunks of one event."""

    @abstractmethod
    def last(self) -> list[Json]:
        """The chunks after all events."""

    def spelling(self, token: int) -> bytes:
        """The bytes of a token of the model."""
        return self._generation.model.tokenizer.spelling(token)

    def _chunk(self, choice: Json) -> Json:
        return self._object(self.CHUNK, [choice]) | ({"usage": None} if self.options.include_usage else {})

    def _usage_chunk(self) -> list[Json]:
        """The chunk with the usage, if it was requested."""
        if not self.options.include_usage:
            return []
        return [self._object(self.CHUNK, []) | {"usage": self._usage(), "inkwell": self._metadata()}]

    def _object(self, kind: str, choices: list[Json]) -> Json:
        return {
            "id": f"{self.PREFIX}-{self._generation.request_id}",
            "object": kind,
            "created": self._created,
            "model": self._generation.model.name,
            "system_fingerprint": self.options.fingerprint,
            "choices": choices,
        }

    def _usage(self) -> Json:
        prompt, generated = self._generation.prompt_tokens, self._generation.generated_tokens
        return {"prompt_tokens": prompt, "completion_tokens": generated, "total_tokens": prompt + generated}

    def _metadata(self) -> Json:
        return metadata(self._generation) | dict(self.options.more)


class TextReply(Reply):
    """A reply of generated texts; a subclass shapes each of them."""

    def __init__(self, generation: Generation[Generate], options: ReplyOptions) -> None:
        super().__init__(generation, options)
        self.generation = generation

    def choices(self) -> list[Json]:
        return [self.choice(index, choice) for index, choice in enumerate(self.generation.best)]

    def frames(self, event: TextEvent) -> list[Json]:
        """The chunks of one event. The metadata is in the last chunk with a choice, or in the one with the usage after
        it if usage was requested: clients that did not request it expect a choice in every chunk."""
        chunks = [self._chunk(piece) for piece in self.pieces(event)]
        if chunks and not self.options.include_usage and all(choice.finish for choice in self.generation.choices):
            chunks[-1]["inkwell"] = self._metadata()
        return chunks

    def last(self) -> list[Json]:
        return self._usage_chunk()

    @abstractmethod
    def choice(self, index: int, choice: Choice) -> Json:
        """A choice with its whole text."""

    @abstractmethod
    def pieces(self, event: TextEvent) -> list[Json]:
        """The choices for an event, each of which becomes a chunk."""


def respond(opened: Opened[TaskT], reply_to: Callable[[Generation[TaskT]], Reply], stream: bool) -> Response:
    """The reply, whole or as a stream."""
    if stream:
        return sse_response(opened, reply_to)
    return json_response(opened, lambda generation: reply_to(generation).whole())


def fingerprint(services: Services, model: Model) -> str | None:
    """Identifies all that a text depends on besides its request: while it stays, a seed gives the same text.

    None while no process holds the model.
    """
    worker = services.registry.worker(model.name)
    ready = worker.ready if worker else None
    if ready is None:
        return None
    device = ready.device.replace(", ", "+")
    parts = ("inkwell", services.version, device, ready.dtype, ready.kernels, model.revision)
    return "-".join(part for part in parts if part)
