"""The parts of replies that all dialects share: the metadata of a generation, its headers, and how a stream ends.

A dialect provides pure functions from a `Generation` and its events to JSON; this module makes responses from them.
"""

import json
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Protocol, TypeVar

from flask import Flask, Response, current_app, g, got_request_exception, jsonify

from inkwell.errors import InkwellError
from inkwell.generation import Generation, TextEvent
from inkwell.http.access_log import AccessLogEntry
from inkwell.http.error_handlers import error_body, note, unexpected_body
from inkwell.parameters import Generate, Task, effective

PING_S = "inkwell.ping_s"  # key of the application's longest silence of a stream
EVENT_STREAM = "text/event-stream"
DONE = b"data: [DONE]\n\n"  # the only mark of success: a stream without it has failed
PING = b": ping\n\n"  # a comment, which every client ignores; only a write reveals that a client has disconnected
STREAM_HEADERS = {
    "Content-Type": f"{EVENT_STREAM}; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx would otherwise buffer the stream
}
HEADER_CHARACTERS = 4_096  # proxies refuse longer headers; a longer list of biases is only in the body
Json = dict[str, Any]
TaskT = TypeVar("TaskT", bound=Task)
# Not entered yet: a dialect never holds a generation that nothing closes.
Opened = AbstractContextManager[Generation[TaskT]]


def register(app: Flask, ping_s: float) -> None:
    """Let every stream of the application send a comment after `ping_s` of silence."""
    app.extensions[PING_S] = ping_s
    got_request_exception.connect(_close_lost_stream, app)


class StreamReply(Protocol):
    """The events that a dialect sends for one streamed generation."""

    def frames(self, event: TextEvent) -> list[Json]:
        """The server-sent events for one event of the generation."""
        ...

    def last(self) -> list[Json]:
        """The server-sent events after the last of them."""
        ...


def metadata(generation: Generation[Task]) -> Json:
    """What the reply of every dialect reports: the parameters that repeat the call, and what it took."""
    timings = generation.timings
    return {
        "request_id": generation.request_id,
        "model_name": generation.model.name,
        "prompt_tokens": generation.prompt_tokens,
        "cached_tokens": generation.cached_tokens,
        "dropped_tokens": generation.dropped_tokens,
        "parameters": parameters(generation),
        "queue_s": round(timings.queue_s, 4),
        "duration_s": round(timings.total_s, 4),
    } | _text_metadata(generation)


def _text_metadata(generation: Generation[Task]) -> Json:
    """What only a task that generates texts has to report."""
    task, best, first_token_s = generation.task, generation.best, generation.timings.first_token_s
    if not isinstance(task, Generate):
        return {}
    stops = {"stops": [choice.stop for choice in best]} if task.stop else {}
    sentences = {"sentences": [choice.sentence for choice in best]} if task.finish_sentence else {}
    return {
        "generated_tokens": generation.generated_tokens,
        "finish_reasons": [choice.finish for choice in best],
        "first_token_s": None if first_token_s is None else round(first_token_s, 4),
        **stops,
        **sentences,
    }


def parameters(generation: Generation[Task]) -> dict[str, Any]:
    """The effective parameters by their native names, as another request would send them."""
    return effective(generation.request)


def json_response(opened: Opened[TaskT], shape: Callable[[Generation[TaskT]], Any]) -> Response:
    """Drain the generation and shape it, into JSON or into a response."""
    with opened as generation:
        generation.collect()
        shaped = shape(generation)
        response = shaped if isinstance(shaped, Response) else jsonify(shaped)
        response.headers.update(_headers(generation))
        return response


def sse_response(
    opened: Opened[TaskT], reply_to: Callable[[Generation[TaskT]], StreamReply], done: bytes = DONE
) -> Response:
    """A stream: the frames of each event, then the last ones and `done`; or an error event and nothing after it.

    The response closes the generation; until there is a response, the `with` does. If a later error replaces the
    response, `_close_lost_stream` does.
    """
    with ExitStack() as resources:
        generation = resources.enter_context(opened)
        ping_s = current_app.extensions[PING_S]
        frames = _frames(generation, reply_to(generation), ping_s, done, g.log_entry)
        response = Response(frames, headers=STREAM_HEADERS)
        response.headers.update(_early_headers(generation))
        owned = resources.pop_all()
        g.stream = weakref.ref(owned)
        response.call_on_close(owned.close)  # called even if the client left before the first byte
        return response


def _close_lost_stream(app: Flask, exception: Exception) -> None:
    """Close a stream whose response Flask replaces by that of a later error: no server will close it."""
    owned: ExitStack | None = g.stream() if "stream" in g else None
    if owned is not None:
        owned.__exit__(type(exception), exception, exception.__traceback__)


def _frames(
    generation: Generation[Task], reply: StreamReply, ping_s: float, done: bytes, entry: AccessLogEntry
) -> Iterator[bytes]:
    try:
        for event in generation.events(ping_s):
            if isinstance(event, TextEvent):
                yield from map(_event, reply.frames(event))
            else:
                yield PING
        yield from map(_event, reply.last())
        if done:
            yield done
    except Exception as error:  # the status line was sent long ago; the client must still learn of the failure
        generation.failed(error)
        note(error, entry)
        yield _event(error_body(error) if isinstance(error, InkwellError) else unexpected_body())


def _event(value: dict[str, Any]) -> bytes:
    """One server-sent event; JSON escapes line breaks, so the text cannot break the framing."""
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def _early_headers(generation: Generation[Task]) -> dict[str, str]:
    """What is known before the first token, for programs that read no JSON."""
    effective = json.dumps(parameters(generation), separators=(",", ":"))
    task = generation.task
    headers = {
        "X-Inkwell-Model": generation.model.name,
        "X-Inkwell-Prompt-Tokens": str(generation.prompt_tokens),
    } | ({"X-Inkwell-Seed": str(task.seed)} if isinstance(task, Generate) else {})
    return headers | ({"X-Inkwell-Parameters": effective} if len(effective) <= HEADER_CHARACTERS else {})


def _headers(generation: Generation[Task]) -> dict[str, str]:
    """The metadata of a whole reply."""
    timings = generation.timings
    headers = _early_headers(generation) | {
        "X-Inkwell-Queue-Seconds": f"{timings.queue_s:.4f}",
        "X-Inkwell-Seconds": f"{timings.total_s:.4f}",
    }
    if not isinstance(generation.task, Generate):
        return headers
    first_token_s = timings.first_token_s
    return headers | {
        "X-Inkwell-Finish-Reason": ",".join(str(choice.finish) for choice in generation.best),
        "X-Inkwell-Generated-Tokens": str(generation.generated_tokens),
        "X-Inkwell-First-Token-Seconds": "" if first_token_s is None else f"{first_token_s:.4f}",
    }
