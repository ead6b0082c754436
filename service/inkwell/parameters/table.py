"""Every parameter of a generation, once: name, type, default, range, meaning and example.

Those of `Sampling` come from its fields (`sampling.py`). These are the native names, and the rows that the dialects'
tables are made of. The table makes the parser, the Swagger page and docs/reference.md.
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
        "Up to 4 strings; the text ends before the first that it would hold. In a query or form: one string, or a list "
        "written as JSON.",
        ["\n\n"], parse=stops, schema=STOP_SCHEMA,
    ),
    Parameter("keep_stop", "boolean", False, "Leave the stop string that ended the text in it.", False),
    Parameter("ignore_eos", "boolean", False, "Go on behind the model's end-of-text token.", False),
    Parameter(
        "finish_sentence", "boolean", False,
        "Go on beyond the limit to end the sentence; where that takes too long, cut back to the last whole one.", True,
    ),
    Parameter(
        "sentence_grace_tokens", "integer", 32, "How many tokens finish_sentence may add to the limit.", 16,
        low=1, high=256,
    ),
    Parameter(
        "on_overflow", "string", "error",
        "When prompt and text do not fit the model's context: refuse the request (error), drop the beginning of the "
        "prompt (truncate_left), or drop the oldest tokens whenever the context is full (slide).",
        "truncate_left", choices=("error", "truncate_left", "slide"),
    ),
    Parameter(
        "truncate", "integer", None, "Keep only so many of the prompt's last tokens. If absent, all.", 512,
        low=1, high=65_536,
    ),
    Parameter(
        "timeout_s", "number", None,
        "End after so many seconds with what was generated so far. The service has a limit of its own.", 30,
        above=0, high=86_400,
    ),
)  # fmt: skip
DETAILS = (
    Parameter(
        "logprobs", "integer", None,
        "Tell the log-probability of each generated token, and of so many of the likeliest in its place.", 3,
        low=0, high=20,
    ),
    Parameter(
        "prompt_logprobs", "integer", None, "The same for the tokens of the prompt.", 0, low=0, high=20,
    ),
    Parameter("trim_start", "boolean", False, "Leave out the white space that the text begins with.", True),
    Parameter("echo", "boolean", False, "Begin the text with the prompt.", False),
)  # fmt: skip
PARAMETERS = (
    Parameter(
        "input_text", "string", None,
        f"The text to continue, at most {MAX_INPUT_BYTES:,} bytes of UTF-8.", "Once upon a time", required=True,
    ),
    Parameter("model_name", "string", None, "Which model answers; the service's default model if absent.", "demo"),
    Parameter(
        "length", "integer", None,
        "Most tokens to generate. If absent: half of the model's context, or what the prompt leaves of it.",
        40, low=1, high=8192,
    ),
    *SAMPLING,
    Parameter(
        "seed", "integer", None,
        "The same request with the same seed gives the same text. If absent, one is drawn; the JSON answer tells it.",
        7, low=0, high=2**63 - 1,
    ),
    Parameter("nsamples", "integer", 1, "How many texts to generate; more than one needs JSON or a stream.", 1,
              low=1, high=16),
    Parameter(
        "best_of", "integer", None,
        "Generate so many texts and give the nsamples likeliest per token; not for a stream. If absent, nsamples.", 1,
        low=1, high=16,
    ),
    *ENDS,
    *DETAILS,
    Parameter("stream", "boolean", False, "Send the text as server-sent events while it is generated.", False),
)  # fmt: skip

NOT_EFFECTIVE = frozenset({"input_text", "model_name", "stream"})
BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}


def parse_json(values: Mapping[str, Any]) -> GenerationRequest[Generate]:
    """A request from a JSON object: types must fit as they are, null stands for the default."""
    return _request(read_json(PARAMETERS, values))


def parse_text(values: Mapping[str, str]) -> GenerationRequest[Generate]:
    """A request from a query or a form, where every value is text."""
    return _request(read_text(PARAMETERS, values))


def _request(values: dict[str, Any]) -> GenerationRequest[Generate]:
    request = GenerationRequest.from_fields(Generate, {"prompts": (values.pop("input_text"),)} | values)
    check_best_of(request, "best_of", "nsamples")
    return request


def effective(request: GenerationRequest[Task]) -> dict[str, Any]:
    """The parameters that the request's task has, by their native names, as another request would send them in JSON."""
    values = request.values()
    rows = (row for row in PARAMETERS if row.name not in NOT_EFFECTIVE and row.field in values)
    return {row.name: row.to_json(values[row.field]) for row in rows}


def check_best_of(request: GenerationRequest[Generate], best_of: str, nsamples: str) -> None:
    """Raises InvalidParameter, in the dialect's own names, when the best texts cannot be chosen."""
    task = request.task
    if task.best_of is None:
        return
    if task.best_of < task.nsamples:
        message = f"{best_of} must be at least {nsamples}, which is {task.nsamples}; it is {task.best_of}"
        raise InvalidParameter(message, param=best_of)
    if request.stream and task.best_of > task.nsamples:
        raise InvalidParameter(f"{best_of} above {nsamples} cannot be streamed", param=best_of)
