"""What OpenAI's two endpoints share: rows under OpenAI's names, rows of our own, and fields without effect here."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from inkwell.errors import InvalidParameter, UnknownParameter, UnsupportedParameter
from inkwell.parameters.parameter import Parameter, wrong_type
from inkwell.parameters.request import Generate, GenerationRequest, Task
from inkwell.parameters.table import BY_NAME, check_best_of

DEFAULT_TOKENS = 16  # of a completion
USAGE = "include_usage"
OBFUSCATION = "include_obfuscation"  # padding against listeners, which is the business of TLS


def _stream_options(row: Parameter, given: Any) -> bool:
    """Whether the usage is wanted."""
    if not isinstance(given, dict):
        raise wrong_type(row, given)
    for name, value in given.items():
        param = f"{row.name}.{name[:64]}"
        if name not in (USAGE, OBFUSCATION):
            raise UnknownParameter(f"{row.name} may hold {USAGE} alone", param=row.name)
        if not isinstance(value, bool | None):
            raise InvalidParameter(f"{param} must be a boolean", param=param)
        if name == OBFUSCATION and value:
            raise UnsupportedParameter(f"{param} is not supported: chunks are sent as they are", param=param)
    return given.get(USAGE) or False


MODEL = replace(BY_NAME["model_name"], name="model", target="model_name")
SAMPLING = (
    BY_NAME["temperature"],
    replace(
        BY_NAME["top_p"], above=None, low=0,
        help="Choose among the likeliest tokens that together have this probability; 1 is no limit, and 0 always takes "
        "the likeliest token.",
    ),
    BY_NAME["presence_penalty"],
    BY_NAME["frequency_penalty"],
    replace(
        BY_NAME["logit_bias"],
        help="Numbers between -100 and 100 by token id, added to the tokens' logits; -100 bans a token.",
    ),
    BY_NAME["seed"],
)  # fmt: skip
STOP = replace(
    BY_NAME["stop"], help="A string, or a list of up to 4; the text ends before the first that it would hold."
)
N = replace(BY_NAME["nsamples"], name="n", target="nsamples", help="How many texts to generate for each prompt.")
STREAMING = (
    BY_NAME["stream"],
    Parameter(
        "stream_options", "object", False,
        "With include_usage a stream's last chunk has no choices and tells the tokens of the whole request.",
        {USAGE: True}, target=USAGE, parse=_stream_options,
        schema={"type": "object", "properties": {name: {"type": "boolean"} for name in (USAGE, OBFUSCATION)}},
    ),
)  # fmt: skip
USER = Parameter(
    "user", "string", None,
    "Accepted because clients send it; it has no effect and is not logged.", "somebody", may_be_empty=True,
)  # fmt: skip
# Rows of our own, by their native names.
OWN = tuple(
    BY_NAME[name]
    for name in ("top_k", "min_p", "typical_p", "repetition_penalty", "ignore_eos", "finish_sentence",
                 "sentence_grace_tokens", "on_overflow", "timeout_s")
)  # fmt: skip


def without(values: Mapping[str, Any], neutral: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """The values but those that ask for nothing, such as an empty list of tools, though their field is refused."""
    return {name: value for name, value in values.items() if not _is_one_of(value, neutral.get(name, ()))}


def _is_one_of(value: Any, candidates: tuple[Any, ...]) -> bool:
    return any(type(value) is type(candidate) and value == candidate for candidate in candidates)  # True is not 1


def check_stream_options(given: Mapping[str, Any], request: GenerationRequest[Task]) -> None:
    """Raises InvalidParameter for options of a stream where none was asked for."""
    if given.get("stream_options") is not None and not request.stream:
        raise InvalidParameter("stream_options needs stream", param="stream_options")


def generation_request(values: Mapping[str, Any]) -> GenerationRequest[Generate]:
    """The request that checked values by field make; raises InvalidParameter where they contradict each other."""
    fields = dict(values)
    if fields["top_p"] == 0:  # only the likeliest token is within a share of nothing
        fields |= {"top_p": 1.0, "top_k": 1}
    request = GenerationRequest.from_fields(Generate, fields)
    check_best_of(request, "best_of", "n")
    return request
