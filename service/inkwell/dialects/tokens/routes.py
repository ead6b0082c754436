"""`/tokenize` and `/detokenize`: text to token ids and back.

No model runs, so neither queues nor counts against a quota; each is one of the admitted requests while it runs.
"""

from flask import Flask, Response, jsonify, request

from inkwell.dialects.tokens import openapi
from inkwell.dialects.tokens.parameters import DETOKENIZE_PARAMETERS, TOKENIZE_PARAMETERS
from inkwell.dialects.tokens.token_spans import spans
from inkwell.errors import InvalidParameter
from inkwell.generation import FieldNames
from inkwell.http.auth import INFER, ScopedBlueprint
from inkwell.http.openapi import documented
from inkwell.http.request_body import read_json
from inkwell.http.services import Services
from inkwell.models.model_store import Model
from inkwell.parameters import reading

NAMES = FieldNames(model="model")


def register(app: Flask, services: Services) -> None:
    """Serve the endpoints."""
    routes = ScopedBlueprint("tokens", __name__, scope=INFER)
    generator = services.generator

    @routes.post("/tokenize")
    @documented(openapi.tokenize())
    def tokenize() -> Response:
        wanted = reading.read_json(TOKENIZE_PARAMETERS, read_json(request))
        with generator.admitted():
            model = generator.model(wanted["model_name"], NAMES)
            found = spans(model.tokenizer.encode(wanted["inputs"]), model.tokenizer)
        return jsonify(found)

    @routes.post("/detokenize")
    @documented(openapi.detokenize())
    def detokenize() -> Response:
        wanted = reading.read_json(DETOKENIZE_PARAMETERS, read_json(request))
        with generator.admitted():
            model = generator.model(wanted["model_name"], NAMES)
            text = _text(wanted["tokens"], model)
        return jsonify({"text": text})

    app.register_blueprint(routes)


def _text(tokens: tuple[int, ...], model: Model) -> str:
    """The text of the tokens, with U+FFFD for bytes that are no whole character; raises InvalidParameter."""
    size = model.config.vocab_size
    unknown = next((token for token in tokens if token >= size), None)
    if unknown is not None:
        message = f"tokens holds {str(unknown)[:32]}; {model.name} has tokens from 0 to {size - 1}"
        raise InvalidParameter(message, param="tokens")
    return b"".join(map(model.tokenizer.spelling, tokens)).decode(errors="replace")
