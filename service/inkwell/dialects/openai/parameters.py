"""Parameters that both OpenAI endpoints share: OpenAI's own, native ones, and those without effect in this service."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from inkwell.errors import InvalidParameter, UnknownParameter, UnsupportedParameter
from inkwell.parameters.parameter import Parameter, wrong_type
from inkwell.parameters.request import Generate, GenerationRequest, Task
from inkwell.parameters.sampling import sampling_rows
from inkwell.parameters.table import BY_NAME, check_best_of

DEFAULT_TOKENS = 16  # of a completion
USAGE = "include_usage"
OBFUSCATION = "include_obfuscation"  # padding against eavesdroppers, which is left to TLS


def _stream_options(row: Parameter, given: Any) -> bool:
    """Whether the client wants the usage."""
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
SAMPLING_ROWS = (
    *sampling_rows(
        top_p={
            "above": None,
            "low": 0,
            "help": f"{BY_NAME['top_p'].help.removesuffix('.')}, 0 only the most likely token.",
        }
    ),
    BY_NAME["seed"],
)
STOP = replace(
    BY_NAME["stop"],
    help="A string, or a list of up to 4; generation stops at the first one, which is left out of the text.",
)
N = replace(BY_NAME["nsamples"], name="n", target="nsamples", help="Number of texts to generate per prompt.")
STREAMING = (
    BY_NAME["stream"],
    Parameter(
        "stream_options", "object", False,
        "With include_usage the last chunk of a stream has no choices, but the token usage of the whole request.",
        {USAGE: True}, target=USAGE, parse=_stream_options,
        schema={"type": "object", "properties": {name: {"type": "boolean"} for name in (USAGE, OBFUSCATION)}},
    ),
)  # fmt: skip
USER = Parameter(
    "user", "string", None,
    "Accepted for compatibility; it has no effect and is not logged.", "somebody", may_be_empty=True,
)  # fmt: skip
# Native parameters that OpenAI does not have, under their native names.
OWN = tuple(
    BY_NAME[name] for name in ("ignore_eos", "finish_sentence", "sentence_grace_tokens", "on_overflow", "timeout_s")
)


def without(values: Mapping[str, Any], neutral: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """The values except neutral ones of refused fields, such as an empty list of tools."""
    return {name: value for name, value in values.items() if not _is_one_of(value, neutral.get(name, ()))}


def _is_one_of(value: Any, candidates: tuple[Any, ...]) -> bool:
    return any(type(value) is type(candidate) and value == candidate for candidate in candidates)  # True is not 1


def check_stream_options(given: Mapping[str, Any], request: GenerationRequest[Task]) -> None:
    """Raise InvalidParameter for stream options in a request that is not a stream."""
    if given.get("stream_options") is not None and not request.stream:
        raise InvalidParameter("stream_options needs stream", param="stream_options")


def generation_request(values: Mapping[str, Any]) -> GenerationRequest[Generate]:
    """A request from checked values by field; raises InvalidParameter if they contradict each other."""
    fields = dict(values)
    if fields["top_p"] == 0:  # OpenAI allows 0, which leaves the most likely token alone
        fields |= {"top_p": 1.0, "top_k": 1}
    request = GenerationRequest.from_fields(Generate, fields)
    check_best_of(request, "best_of", "n")
    return request
