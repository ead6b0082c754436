"""The OpenAPI description of `/v1/score`."""

from inkwell.dialects.score.parameters import SCORE_PARAMETERS
from inkwell.http.openapi import (
    BODY_REFUSALS,
    GENERATION_ERRORS,
    Spec,
    body_schema,
    error_responses,
    json_reply,
    metadata_schema,
)
from inkwell.parameters import Score

DESCRIPTION = (
    "Computes `text`, or `prompt` with each of `continuations`, once, and returns the log-probability of each token. "
    "Nothing is generated or drawn, so no sampling parameter has an effect: log-probabilities are natural logarithms "
    "of the model's own distribution.\n\n"
    "Every token of a text is scored except the first, which nothing precedes; with `from_start` the first is scored "
    "too. Prompt and continuation are tokenised together, and every token that contains a byte of the continuation is "
    "scored as a whole. If any continuation has nothing before its first scored token, as with an empty prompt, the "
    "end-of-text token is put before all of them.\n\n"
    "`bits_per_byte` divides by `scored_bytes`, the UTF-8 bytes that the scored tokens spell."
)
COUNT: Spec = {"type": "integer"}
MAYBE: Spec = {"type": "number", "nullable": True}
EXAMPLES: Spec = {
    "continuations": {
        "summary": "which continuation is the most likely",
        "value": {"prompt": "Once upon a", "continuations": [" time", " king", " xyz"]},
    },
    "text": {
        "summary": "how likely a text is",
        "value": {"text": "Once upon a time there was a king.", "from_start": True},
    },
}


def score() -> Spec:
    content = {"application/json": {"schema": body_schema(SCORE_PARAMETERS), "examples": EXAMPLES}}
    return {
        "tags": ["scores"],
        "summary": "Log-probabilities of a text, or a ranking of continuations",
        "description": DESCRIPTION,
        "requestBody": {"required": True, "content": content},
        "responses": {"200": json_reply("The scores of the text, or of each continuation.", _reply())}
        | error_responses(*GENERATION_ERRORS, refusals=BODY_REFUSALS),
    }


def _reply() -> Spec:
    order = {"type": "array", "items": COUNT, "description": "Indices of continuations, the most likely first."}
    one = {"type": "object", "properties": {"index": COUNT} | _sums()}
    several = {
        "continuations": {
            "type": "array",
            "items": one,
            "description": "Replaces the fields above.",
        },
        "ranking": {"type": "object", "properties": {"by_total": order, "by_mean": order}},
    }
    last = {"model": {"type": "string"}, "inkwell": metadata_schema(Score())}
    return {"type": "object", "properties": _sums() | several | last}


def _sums() -> Spec:
    logprob = MAYBE | {"description": "null if the token is not scored."}
    offset = COUNT | {"description": "Characters before it, including those of a prompt."}
    token = {"id": COUNT, "text": {"type": "string"}, "offset": offset, "logprob": logprob}
    return {
        "tokens": {"type": "array", "items": {"type": "object", "properties": token}},
        "scored_tokens": COUNT,
        "scored_bytes": COUNT,
        "total_logprob": {"type": "number"},
        "mean_logprob": MAYBE | {"description": "Per scored token; null without any."},
        "perplexity": MAYBE | {"description": "exp(-mean_logprob); null if that is not a finite number."},
        "bits_per_byte": MAYBE,
    }
