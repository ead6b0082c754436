"""OpenAI's `/v1/chat/completions`, for models that only continue a text: the conversation becomes a transcript."""

from flasgger import swag_from
from flask import Blueprint, Response, g, request

from service.api import chat_spec
from service.api.body import read_json
from service.api.chat_reply import ChatReply
from service.api.openai_reply import Fingerprint, Terms
from service.chat import Script, Transcript, transcribe
from service.generation import Generator, Names
from service.params.chat import Chat, parse_chat


def blueprint(generator: Generator, script: Script, fingerprint: Fingerprint, ping_s: float) -> Blueprint:
    """The endpoint on a generator; `script` is how conversations are written where a request says nothing."""
    routes = Blueprint("chat", __name__, url_prefix="/v1")

    @routes.post("/chat/completions")
    @swag_from(chat_spec.chat_completions())
    def chat_completions() -> Response:
        asked = parse_chat(read_json(request), script)
        names = Names(prompt="messages", length=asked.length_name, model="model")
        written = _written(generator, asked, names)
        wanted = asked.asking(written.text)
        generation = generator.start(wanted, g.request_id, g.client, names)
        terms = Terms(
            g.request_id,
            fingerprint(generation.model.name),
            asked.include_usage,
            wanted.logprobs is not None,
            {"dropped_messages": written.dropped_messages},
        )
        return ChatReply(generation, terms).respond(ping_s)

    return routes


def _written(generator: Generator, asked: Chat, names: Names) -> Transcript:
    model = generator.model(asked.model_name, names)
    context = model.config.context
    room = context - asked.reserve(context)
    return transcribe(asked.messages, asked.script, lambda text: len(model.tokenizer.encode(text)), room)
