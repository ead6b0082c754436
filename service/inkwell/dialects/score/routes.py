"""`/v1/score`: log-probabilities of a text, or a ranking of several continuations."""

from typing import Any

from flask import Flask, Response, g, request

from inkwell.dialects.score import openapi
from inkwell.dialects.score.parameters import ScoreRequest, parse_score
from inkwell.dialects.score.scoring import Part, TextScore, parts, score, scoring_request
from inkwell.generation import FieldNames, Generation, TextToken
from inkwell.http.auth import INFER, ScopedBlueprint
from inkwell.http.openapi import documented
from inkwell.http.replies import json_response, metadata
from inkwell.http.request_body import read_json
from inkwell.http.services import Services
from inkwell.models.model_store import Model
from inkwell.parameters import GenerationRequest, Score

TEXT, CONTINUATIONS = (FieldNames(prompt=name, model="model") for name in ("text", "continuations"))


def register(app: Flask, services: Services) -> None:
    """Serve the endpoint."""
    routes = ScopedBlueprint("score", __name__, scope=INFER)

    @routes.post("/v1/score")
    @documented(openapi.score())
    def score_text() -> Response:
        wanted = parse_score(read_json(request))
        names = CONTINUATIONS if wanted.text is None else TEXT
        texts: list[Part] = []

        def prepare(model: Model) -> GenerationRequest[Score]:
            texts.extend(parts(wanted, model))
            return scoring_request(wanted, texts)

        opened = services.generator.start_on(wanted.model_name, prepare, g.request_id, g.client, names)
        return json_response(opened, lambda generation: _reply(generation, wanted, texts))

    app.register_blueprint(routes)


def _reply(generation: Generation[Score], wanted: ScoreRequest, texts: list[Part]) -> dict[str, Any]:
    scores = [score(text, prompt) for text, prompt in zip(texts, generation.prompts, strict=True)]
    last = {"model": generation.model.name, "inkwell": metadata(generation)}
    if wanted.text is not None:
        unscored = [_token(token, False) for token in scores[0].context]
        return {"tokens": unscored + _scored(scores[0])} | _sums(scores[0]) | last
    shaped = [{"index": place, "tokens": _scored(each)} | _sums(each) for place, each in enumerate(scores)]
    return {"continuations": shaped, "ranking": _ranking(scores)} | last


def _scored(score_: TextScore) -> list[dict[str, Any]]:
    return [_token(token, True) for token in score_.tokens]


def _token(token: TextToken, scored: bool) -> dict[str, Any]:
    return {"id": token.id, "text": token.text, "offset": token.offset, "logprob": token.logprob if scored else None}


def _sums(score_: TextScore) -> dict[str, Any]:
    return {
        "scored_tokens": len(score_.tokens),
        "scored_bytes": score_.bytes,
        "total_logprob": score_.total,
        "mean_logprob": score_.mean,
        "perplexity": score_.perplexity,
        "bits_per_byte": score_.bits_per_byte,
    }


def _ranking(scores: list[TextScore]) -> dict[str, list[int]]:
    """The indices of the continuations by total and by mean log-probability, descending; ties keep their order."""
    places = range(len(scores))
    return {
        "by_total": sorted(places, key=lambda place: -scores[place].total),
        "by_mean": sorted(places, key=lambda place: -(scores[place].mean or 0.0)),
    }
