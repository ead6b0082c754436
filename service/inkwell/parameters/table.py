"""All generation parameters under their native names: type, default, range, meaning and example of each.

The rows of the sampling parameters come from the fields of `Sampling` (`sampling.py`). The parser, the Swagger page and
docs/reference.md are generated from this table, and the tables of the dialects are built from its rows.
"""

from collections.abc import Mapping
from typing import Any

from inkwell.errors import InvalidParameter
from inkwell.parameters.lists import STOP_SCHEMA, stops
from inkwell.parameters.parameter import MAX_INPUT_BYTES, Parameter
from inkwell.parameters.reading import read_json, read_text
from inkwell.parameters.request import Generate, GenerationRequest, Task
from inkwell.parameters.sampling import SAMPLING

ENDS = (
    Parameter(
        "stop", "array", (),
        "Up to 4 strings; generation stops at the first one, which is left out of the text. In a query or form: one "
        "string, or a list written as JSON.",
        ["\n\n"], parse=stops, schema=STOP_SCHEMA,
    ),
    Parameter("keep_stop", "boolean", False, "Keep the stop string at the end of the text.", False),
    Parameter("ignore_eos", "boolean", False, "Continue after the model's end-of-text token.", False),
    Parameter(
        "finish_sentence", "boolean", False,
        "Exceed the limit to complete the sentence; if that takes too many tokens, cut the text after its last whole "
        "sentence.",
        True,
    ),
    Parameter(
        "sentence_grace_tokens", "integer", 32, "Maximum number of tokens that finish_sentence may add to the limit.",
        16, low=1, high=256,
    ),
    Parameter(
        "on_overflow", "string", "error",
        "If prompt and text exceed the context window: reject the request (error), drop the beginning of the prompt "
        "(truncate_left), or drop the oldest tokens whenever the window is full (slide).",
        "truncate_left", choices=("error", "truncate_left", "slide"),
    ),
    Parameter(
        "truncate", "integer", None, "Keep only this many tokens from the end of the prompt. Default: all.", 512,
        low=1, high=65_536,
    ),
    Parameter(
        "timeout_s", "number", None,
        "Stop after this many seconds and return the text generated until then. The service has a limit of its own.",
        30, above=0, high=86_400,
    ),
)  # fmt: skip
DETAILS = (
    Parameter(
        "logprobs", "integer", None,
        "Return the log-probability of each generated token, with this many alternatives per position.", 3,
        low=0, high=20,
    ),
    Parameter(
        "prompt_logprobs", "integer", None, "The same for the tokens of the prompt.", 0, low=0, high=20,
    ),
    Parameter("trim_start", "boolean", False, "Strip white space from the start of the text.", True),
    Parameter("echo", "boolean", False, "Return the prompt followed by the text.", False),
)  # fmt: skip
PARAMETERS = (
    Parameter(
        "input_text", "string", None,
        f"The text to continue, at most {MAX_INPUT_BYTES:,} bytes of UTF-8.", "Once upon a time", required=True,
    ),
    Parameter("model_name", "string", None, "The model to use. Default: the service's default model.", "demo"),
    Parameter(
        "length", "integer", None,
        "Maximum number of new tokens. Default: half of the context window, or what the prompt leaves.",
        40, low=1, high=8192,
    ),
    *SAMPLING,
    Parameter(
        "seed", "integer", None,
        "The same request with the same seed gives the same text. Default: a random seed, reported in the JSON reply.",
        7, low=0, high=2**63 - 1,
    ),
    Parameter("nsamples", "integer", 1, "Number of texts to generate; more than one needs JSON or a stream.", 1,
              low=1, high=16),
    Parameter(
        "best_of", "integer", None,
        "Generate this many texts and return the nsamples with the highest mean log-probability per token; not for a "
        "stream. Default: nsamples.", 1,
        low=1, high=16,
    ),
    *ENDS,
    *DETAILS,
    Parameter("stream", "boolean", False, "Send the text as server-sent events while it is generated.", False),
)  # fmt: skip

NOT_EFFECTIVE = frozenset({"input_text", "model_name", "stream"})
BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}


def parse_json(values: Mapping[str, Any]) -> GenerationRequest[Generate]:
    """A request from a JSON object: types must match exactly, null means the default."""
    return _request(read_json(PARAMETERS, values))


def parse_text(values: Mapping[str, str]) -> GenerationRequest[Generate]:
    """A request from a query or a form, whose values are all text."""
    return _request(read_text(PARAMETERS, values))


def _request(values: dict[str, Any]) -> GenerationRequest[Generate]:
    request = GenerationRequest.from_fields(Generate, {"prompts": (values.pop("input_text"),)} | values)
    check_best_of(request, "best_of", "nsamples")
    return request


def effective(request: GenerationRequest[Task]) -> dict[str, Any]:
    """The parameters of the request's task under their native names, in the form that JSON requests use."""
    values = request.values()
    rows = (row for row in PARAMETERS if row.name not in NOT_EFFECTIVE and row.field in values)
    return {row.name: row.to_json(values[row.field]) for row in rows}


def check_best_of(request: GenerationRequest[Generate], best_of: str, nsamples: str) -> None:
    """Raise InvalidParameter, in the dialect's own names, if best_of contradicts the rest of the request."""
    task = request.task
    if task.best_of is None:
        return
    if task.best_of < task.nsamples:
        message = f"{best_of} must be at least {nsamples}, which is {task.nsamples}; it is {task.best_of}"
        raise InvalidParameter(message, param=best_of)
    if request.stream and task.best_of > task.nsamples:
        raise InvalidParameter(f"{best_of} above {nsamples} cannot be streamed", param=best_of)
