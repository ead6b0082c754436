"""`/v1/score`: how likely a text is to a model, or which of several continuations is the likeliest."""

from typing import Any

from flask import Flask, Response, g, request

from inkwell.dialects.score import openapi
from inkwell.dialects.score.parameters import ScoreRequest, parse_score
from inkwell.dialects.score.scoring import Part, Score, parts, score, scoring_request
from inkwell.generation import FieldNames, Generation, TextToken
from inkwell.http.auth import INFER, ScopedBlueprint
from inkwell.http.openapi import documented
from inkwell.http.replies import json_response, metadata
from inkwell.http.request_body import read_json
from inkwell.http.services import Services
from inkwell.models.model_store import Model
from inkwell.parameters import GenerationRequest

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

        def prepare(model: Model) -> GenerationRequest:
            texts.extend(parts(wanted, model))
            return scoring_request(wanted, texts)

        opened = services.generator.start_on(wanted.model_name, prepare, g.request_id, g.client, names)
        return json_response(opened, lambda generation: _reply(generation, wanted, texts))

    app.register_blueprint(routes)


def _reply(generation: Generation, wanted: ScoreRequest, texts: list[Part]) -> dict[str, Any]:
    scores = [score(text, choice) for text, choice in zip(texts, generation.choices, strict=True)]
    last = {"model": generation.model.name, "inkwell": metadata(generation)}
    if wanted.text is not None:
        unscored = [_token(token, False) for token in scores[0].context]
        return {"tokens": unscored + _scored(scores[0])} | _sums(scores[0]) | last
    told = [{"index": place, "tokens": _scored(each)} | _sums(each) for place, each in enumerate(scores)]
    return {"continuations": told, "ranking": _ranking(scores)} | last


def _scored(score_: Score) -> list[dict[str, Any]]:
    return [_token(token, True) for token in score_.tokens]


def _token(token: TextToken, scored: bool) -> dict[str, Any]:
    return {"id": token.id, "text": token.text, "offset": token.offset, "logprob": token.logprob if scored else None}


def _sums(score_: Score) -> dict[str, Any]:
    return {
        "scored_tokens": len(score_.tokens),
        "scored_bytes": score_.bytes,
        "total_logprob": score_.total,
        "mean_logprob": score_.mean,
        "perplexity": score_.perplexity,
        "bits_per_byte": score_.bits_per_byte,
    }


def _ranking(scores: list[Score]) -> dict[str, list[int]]:
    """The continuations' indices, the likeliest first, as a whole and per token; of equal ones the earlier first."""
    places = range(len(scores))
    return {
        "by_total": sorted(places, key=lambda place: -scores[place].total),
        "by_mean": sorted(places, key=lambda place: -(scores[place].mean or 0.0)),
    }
