"""`/text-generate`: the service's own dialect, by GET and POST, answered as text, JSON or a stream.

Views parse the request, start a generation and shape its reply. http/error_handlers.py turns errors into replies.
"""

from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import MethodNotAllowed

from inkwell.dialects.native import openapi
from inkwell.errors import InvalidParameter
from inkwell.generation import Choice, Generation, Generator, TextEvent, TextToken
from inkwell.http.auth import INFER, ScopedBlueprint
from inkwell.http.openapi import documented
from inkwell.http.replies import EVENT_STREAM, json_response, metadata, sse_response
from inkwell.http.request_body import read_body, read_query
from inkwell.http.services import Services
from inkwell.parameters import Generate, GenerationRequest, parse_json, parse_text

TEXT, JSON = "text/plain", "application/json"
PER_SAMPLE = ("finish_reasons", "stops", "sentences")  # metadata that each sample has for itself


def register(app: Flask, services: Services) -> None:
    """Serve the endpoint."""
    routes = ScopedBlueprint("generate", __name__, scope=INFER)
    generator = services.generator

    @routes.get("/text-generate")
    @documented(openapi.generate_get())
    def generate_get() -> Response:
        if request.method == "HEAD":  # Flask adds HEAD to every GET route; it would generate a text and discard it
            raise MethodNotAllowed(["GET", "POST"])
        return _answer(generator, parse_text(read_query(request)))

    @routes.post("/text-generate")
    @documented(openapi.generate_post())
    def generate_post() -> Response:
        values, typed = read_body(request)
        return _answer(generator, parse_json(values) if typed else parse_text(values))

    app.register_blueprint(routes)


def _answer(generator: Generator, wanted: GenerationRequest[Generate]) -> Response:
    media, task = _media_type(wanted), wanted.task
    if media == TEXT and task.nsamples > 1:
        message = "nsamples above 1 needs stream=true or the header Accept: application/json"
        raise InvalidParameter(message, param="nsamples")
    if media == EVENT_STREAM and task.samples > task.nsamples:
        raise InvalidParameter("best_of above nsamples cannot be streamed", param="best_of")
    opened = generator.start(wanted, g.request_id, g.client)
    if media == EVENT_STREAM:
        return sse_response(opened, _Stream)
    if media == JSON:
        return json_response(opened, _details)
    return json_response(opened, _plain)


def _media_type(wanted: GenerationRequest[Generate]) -> str:
    if wanted.stream:
        return EVENT_STREAM
    return request.accept_mimetypes.best_match([TEXT, JSON, EVENT_STREAM], default=TEXT)


def _plain(generation: Generation[Generate]) -> Response:
    """Only the generated text; the metadata is in headers."""
    choice = generation.best[0]
    return Response(_text(generation, choice), content_type=f"{TEXT}; charset=utf-8")


def _details(generation: Generation[Generate], with_texts: bool = True) -> dict[str, Any]:
    """The JSON reply. A stream's last event is the same without the texts, which have been sent already."""
    details = {name: value for name, value in metadata(generation).items() if name not in PER_SAMPLE}
    return details | {"samples": [_sample(generation, choice, with_texts) for choice in generation.best]}


def _sample(generation: Generation[Generate], choice: Choice, with_texts: bool) -> dict[str, Any]:
    task = generation.task
    sample: dict[str, Any] = {"finish_reason": choice.finish, "generated_tokens": choice.generated}
    if with_texts:
        sample["text"] = _text(generation, choice)
    if choice.stop is not None:
        sample["stop"] = choice.stop
    if task.finish_sentence:
        sample["sentence"] = choice.sentence
    if task.logprobs is not None and with_texts:
        sample["tokens"] = [_token(token) for token in choice.tokens]
    if task.prompt_logprobs is not None and choice is generation.best[0]:  # the others would repeat it
        sample["prompt"] = [_token(token) for token in choice.prompt.text_tokens()]
    return sample


def _text(generation: Generation[Generate], choice: Choice) -> str:
    return choice.prompt.text + choice.text if generation.task.echo else choice.text


def _token(token: TextToken) -> dict[str, Any]:
    top = [{"id": other, "logprob": logprob} for other, logprob in token.top]
    value: dict[str, Any] = {"id": token.id, "text": token.text, "logprob": token.logprob, "offset": token.offset}
    return value | ({"top": top} if top else {})


class _Stream:
    """One event per piece of text, and the details last; with `echo` a text's first piece begins with the prompt."""

    def __init__(self, generation: Generation[Generate]) -> None:
        self._generation = generation
        self._begun: set[int] = set()

    def frames(self, event: TextEvent) -> list[dict[str, Any]]:
        text = event.text
        if self._generation.task.echo and event.choice not in self._begun:
            self._begun.add(event.choice)
            text = self._generation.choices[event.choice].prompt.text + text
        value: dict[str, Any] = {"sample": event.choice, "text": text}
        if event.tokens:
            value["tokens"] = [_token(token) for token in event.tokens]
        return [value | ({"finish_reason": event.finish} if event.finish else {})]

    def last(self) -> list[dict[str, Any]]:
        return [_details(self._generation, with_texts=False)]
