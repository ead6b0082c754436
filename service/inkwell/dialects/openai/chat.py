"""OpenAI's `/v1/chat/completions`, for base models: they continue a transcript of the conversation."""

from typing import Any

from flask import Response, g, request

from inkwell.dialects.openai import chat_openapi
from inkwell.dialects.openai.chat_parameters import Chat, parse_chat
from inkwell.dialects.openai.chat_reply import ChatReply
from inkwell.dialects.openai.reply import ReplyOptions, fingerprint, respond
from inkwell.errors import ContextLengthExceeded
from inkwell.generation import FieldNames, Generation
from inkwell.http.auth import INFER, ScopedBlueprint
from inkwell.http.openapi import documented
from inkwell.http.request_body import read_json
from inkwell.http.services import Services
from inkwell.models.model_store import Model
from inkwell.parameters import MAX_INPUT_BYTES, Generate, GenerationRequest
from inkwell.parameters.transcript import Transcript, render_transcript


def blueprint(services: Services) -> ScopedBlueprint:
    """The endpoint."""
    routes = ScopedBlueprint("chat", __name__, scope=INFER, url_prefix="/v1")

    @routes.post("/chat/completions")
    @documented(chat_openapi.chat_completions())
    def chat_completions() -> Response:
        asked = parse_chat(read_json(request), services.chat_template)
        names = FieldNames(prompt="messages", length=asked.length_name, model="model")
        more: dict[str, Any] = {"chat": asked.effective}  # of the metadata

        def prepare(model: Model) -> GenerationRequest[Generate]:
            transcript = _transcript(model, asked)
            more["dropped_messages"] = transcript.dropped_messages
            return asked.asking(transcript.text)

        def reply_to(generation: Generation[Generate]) -> ChatReply:
            computed_by = fingerprint(services, generation.model)
            wants_logprobs = generation.task.logprobs is not None
            return ChatReply(generation, ReplyOptions(computed_by, asked.include_usage, wants_logprobs, more))

        opened = services.generator.start_on(asked.model_name, prepare, g.request_id, g.client, names)
        return respond(opened, reply_to, asked.stream)

    return routes


def _transcript(model: Model, asked: Chat) -> Transcript:
    """Raises ContextLengthExceeded if the part that may not be dropped is too long to be tokenised."""
    context = model.config.context
    room = context - asked.reserve(context)
    transcript = render_transcript(asked.messages, asked.chat_template, lambda text: _count_tokens(text, model), room)
    if len(transcript.text) > MAX_INPUT_BYTES:
        message = f"messages make a transcript of {len(transcript.text)} characters; {MAX_INPUT_BYTES} is the limit"
        raise ContextLengthExceeded(message, param="messages")
    return transcript


def _count_tokens(text: str, model: Model) -> int:
    """Exact up to the longest text that may be sent; counts characters beyond it, where tokenising takes seconds."""
    return len(model.tokenizer.encode(text)) if len(text) <= MAX_INPUT_BYTES else len(text)
