"""The parameters of `/v1/completions`, and the parsing of its body."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from inkwell.dialects.openai.parameters import (
    DEFAULT_TOKENS,
    MODEL,
    OWN,
    SAMPLING_ROWS,
    STOP,
    STREAMING,
    USAGE,
    USER,
    N,
    check_stream_options,
    generation_request,
    without,
)
from inkwell.errors import InvalidParameter
from inkwell.parameters.parameter import Parameter, checked_text
from inkwell.parameters.reading import read_json
from inkwell.parameters.request import Generate, GenerationRequest, Prompt, Score
from inkwell.parameters.sampling import Sampling
from inkwell.parameters.table import BY_NAME

END_OF_TEXT = "<|endoftext|>"  # OpenAI's default prompt: the start of a new document
MAX_PROMPTS = 128
HIGHEST_ID = 2**31 - 1  # far above every vocabulary; the model's own limit is checked once the model is known
REFUSED = {"suffix": "models of these families only continue a text, they fill in no middle"}
NEUTRAL = {"suffix": ("",)}


@dataclass(frozen=True, slots=True)
class Completion:
    """A parsed request to `/v1/completions`."""

    request: GenerationRequest[Generate]
    include_usage: bool


@dataclass(frozen=True, slots=True)
class ScoredPrompts:
    """What was asked with `max_tokens` 0: the prompts themselves, each in `n` equal choices.

    `sampling` has no effect on them, but is checked like that of other requests.
    """

    request: GenerationRequest[Score]
    sampling: Sampling
    include_usage: bool
    n: int


def _prompts(row: Parameter, given: Any) -> tuple[Prompt, ...]:
    """A text, its token ids, or a list of either."""
    if isinstance(given, str):
        return (_text(row, given),)
    if isinstance(given, list) and 0 < len(given):
        if all(map(_is_token, given)):
            return (tuple(given),)
        if len(given) > MAX_PROMPTS:
            raise InvalidParameter(f"{row.name} may hold {MAX_PROMPTS} prompts; it holds {len(given)}", param=row.name)
        if all(isinstance(each, str) for each in given):
            return tuple(_text(row, each) for each in given)
        if all(isinstance(each, list) and each and all(map(_is_token, each)) for each in given):
            return tuple(map(tuple, given))
    message = f"{row.name} must be a string, a list of token ids, or a list of one or more of either"
    raise InvalidParameter(message, param=row.name)


def _text(row: Parameter, given: str) -> str:
    return checked_text(row, given or END_OF_TEXT)


def _is_token(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= HIGHEST_ID


_TOKENS = {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0, "maximum": HIGHEST_ID}}
PARAMETERS = (
    MODEL,
    Parameter(
        "prompt", "array", (END_OF_TEXT,),
        f"The text to continue, its token ids, or a list of up to {MAX_PROMPTS} of either. Default, also for "
        "an empty one: the start of a new document.",
        "Once upon a time", target="prompts", parse=_prompts,
        schema={"oneOf": [
            {"type": "string"}, {"type": "array", "minItems": 1, "maxItems": MAX_PROMPTS, "items": {"type": "string"}},
            _TOKENS, {"type": "array", "minItems": 1, "maxItems": MAX_PROMPTS, "items": _TOKENS},
        ]},
    ),
    replace(
        BY_NAME["length"], name="max_tokens", target="length", default=DEFAULT_TOKENS, low=0,
        help="Maximum number of new tokens. 0 generates none and needs echo; with logprobs it scores the prompt.",
    ),
    *SAMPLING_ROWS,
    N,
    replace(
        BY_NAME["best_of"],
        help="Generate this many texts and return the n with the highest mean log-probability per token; not for a "
        "stream. Default: n.",
    ),
    STOP,
    replace(
        BY_NAME["logprobs"], high=5,
        help="Return the log-probability of each token, with this many alternatives per position.",
    ),
    BY_NAME["echo"],
    *STREAMING,
    USER,
    *OWN,
    BY_NAME["truncate"],
)  # fmt: skip


def parse_completion(values: Mapping[str, Any]) -> Completion | ScoredPrompts:
    """Parse the body of a request; raises RequestErrors."""
    fields = read_json(PARAMETERS, without(values, NEUTRAL), REFUSED)
    del fields["user"]
    include_usage = fields.pop(USAGE)
    request = generation_request(fields | {"prompt_logprobs": fields["logprobs"] if fields["echo"] else None})
    check_stream_options(values, request)
    return _scored(request, include_usage) if fields["length"] == 0 else Completion(request, include_usage)


def _scored(request: GenerationRequest[Generate], include_usage: bool) -> ScoredPrompts:
    """The request whose `max_tokens` is 0; what shapes generated texts has no effect on it."""
    task = request.task
    if not task.echo:
        raise InvalidParameter("max_tokens 0 generates nothing, so it needs echo", param="max_tokens")
    if task.finish_sentence:
        raise InvalidParameter("finish_sentence needs max_tokens above 0", param="finish_sentence")
    return ScoredPrompts(request.with_task(Score(task.logprobs)), task.sampling, include_usage, task.nsamples)
