"""`/text-generate`: the service's own dialect, by GET and POST, answered as text, JSON or a stream.

Views read top to bottom: parse, start, shape the reply. Errors are raised and shaped in `problems.py`.
"""

from collections.abc import Iterator
from typing import Any

from flasgger import swag_from
from flask import Blueprint, Response, g, jsonify, request
from werkzeug.exceptions import MethodNotAllowed

from service.api import operations, sse
from service.api.body import read_body, read_query
from service.api.problems import error_body, log_error, unexpected_body
from service.errors import InkwellError, InvalidParameter
from service.generation import Generation, Generator, TextEvent
from service.params import PARAMETERS, GenerationRequest, parse_json, parse_text

TEXT, JSON = "text/plain", "application/json"


def blueprint(generator: Generator, ping_s: float) -> Blueprint:
    """The endpoint on a generator; `ping_s` is the longest silence of a stream."""
    routes = Blueprint("generate", __name__)

    @routes.get("/text-generate")
    @swag_from(operations.generate_get())
    def generate_get() -> Response:
        if request.method == "HEAD":  # Flask adds it to every GET; it would generate a text and throw it away
            raise MethodNotAllowed(["GET", "POST"])
        return _answer(generator, parse_text(read_query(request)), ping_s)

    @routes.post("/text-generate")
    @swag_from(operations.generate_post())
    def generate_post() -> Response:
        values, typed = read_body(request)
        return _answer(generator, parse_json(values) if typed else parse_text(values), ping_s)

    return routes


def _answer(generator: Generator, wanted: GenerationRequest, ping_s: float) -> Response:
    media = _media_type(wanted)
    if media == TEXT and wanted.nsamples > 1:
        message = "nsamples above 1 needs stream=true or the header Accept: application/json"
        raise InvalidParameter(message, param="nsamples")
    generation = generator.start(wanted, g.request_id)
    if media == sse.MEDIA_TYPE:
        response = Response(_stream(generation, g.request_id, ping_s), headers=sse.HEADERS)
        response.call_on_close(generation.close)  # also when the client left before the first byte
        return response
    try:
        generation.collect()
    finally:
        generation.close()
    return jsonify(_details(generation, g.request_id, True)) if media == JSON else _plain(generation)


def _media_type(wanted: GenerationRequest) -> str:
    if wanted.stream:
        return sse.MEDIA_TYPE
    return request.accept_mimetypes.best_match([TEXT, JSON, sse.MEDIA_TYPE], default=TEXT)


def _plain(generation: Generation) -> Response:
    """The generated text and nothing else; what else a program may want to know is in headers."""
    sample = generation.samples[0]
    response = Response(sample.text, content_type=f"{TEXT}; charset=utf-8")
    response.headers["X-Inkwell-Model"] = generation.request.model_name
    response.headers["X-Inkwell-Seed"] = str(generation.request.seed)
    response.headers["X-Inkwell-Finish-Reason"] = sample.finish
    return response


def _details(generation: Generation, request_id: str, with_texts: bool) -> dict[str, Any]:
    """The JSON reply; a stream's last event is the same without the texts, which were sent already."""
    request_ = generation.request
    samples = [
        {"finish_reason": sample.finish, "generated_tokens": sample.tokens}
        | ({"text": sample.text} if with_texts else {})
        for sample in generation.samples
    ]
    return {
        "request_id": request_id,
        "model_name": request_.model_name,
        "samples": samples,
        "prompt_tokens": generation.prompt_tokens,
        "cached_tokens": generation.samples[0].cached_tokens,  # the others share what the first one computed
        "generated_tokens": generation.generated_tokens,
        "parameters": {row.name: getattr(request_, row.name) for row in PARAMETERS if row.is_number},
        "duration_s": round(generation.duration_s, 4),
    }


def _stream(generation: Generation, request_id: str, ping_s: float) -> Iterator[bytes]:
    """Text events, the details, [DONE]; or an error event and nothing after it."""
    try:
        for piece in generation.events(ping_s):
            yield _frame(piece) if isinstance(piece, TextEvent) else sse.PING
        yield sse.event(_details(generation, request_id, False))
        yield sse.DONE
    except InkwellError as error:
        log_error(error, request_id)
        yield sse.event(error_body(error))
    except Exception as error:  # the status line is long gone; the client must still learn that this is no success
        log_error(error, request_id)
        yield sse.event(unexpected_body())


def _frame(piece: TextEvent) -> bytes:
    value: dict[str, Any] = {"sample": piece.sample, "text": piece.text}
    return sse.event(value | ({"finish_reason": piece.finish} if piece.finish else {}))
