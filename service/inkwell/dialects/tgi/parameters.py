"""The parameters of Hugging Face's TGI: its names for native ones, its own, and those that are refused.

A request has `inputs` and `parameters`. As in TGI, decoding is greedy unless `do_sample` or any parameter that needs
sampling turns sampling on. Unlike in TGI, leaving `parameters` out changes nothing, and parameters may have the neutral
values at the ends of their ranges, which TGI refuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from inkwell.errors import InvalidParameter
from inkwell.parameters.parameter import Parameter, wrong_type
from inkwell.parameters.reading import read_json
from inkwell.parameters.request import Generate, GenerationRequest
from inkwell.parameters.sampling import NEEDS_DRAWING, SAMPLING
from inkwell.parameters.table import BY_NAME

MAX_TOP_TOKENS = 5
ONLY_TEXT = "this service generates free text and has no grammars"
REFUSED = {
    "watermark": "this service does not watermark texts",
    "grammar": ONLY_TEXT,
    "adapter_id": "this service has no adapters; a fine-tuned model is a folder with a name, which `model` takes",
}


def _object(row: Parameter, given: Any) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise wrong_type(row, given)
    return given


ENVELOPE = (
    replace(BY_NAME["input_text"], name="inputs", target="prompt"),
    Parameter("parameters", "object", {}, "Generation parameters; all are optional.", {}, parse=_object),
    replace(BY_NAME["model_name"], name="model", target="model_name"),
    Parameter("stream", "boolean", None, "Send the text as server-sent events, one per token.", False),
)
TGI_PARAMETERS = (
    replace(BY_NAME["length"], name="max_new_tokens", target="length"),
    Parameter(
        "do_sample", "boolean", False,
        "Sample instead of greedy decoding. Also turned on by any of the parameters that need it: "
        f"{', '.join(NEEDS_DRAWING)}.",
        True,
    ),
    *SAMPLING,
    BY_NAME["seed"],
    replace(
        BY_NAME["stop"], help="Up to 4 strings; the text ends after the first one.", example=["\n\n"],
    ),
    replace(
        BY_NAME["best_of"],
        help="Generate this many texts and return the one with the highest mean log-probability per token, and the "
        "others with details; needs sampling, not for a stream.",
        default=1,
    ),
    BY_NAME["truncate"],
    Parameter(
        "return_full_text", "boolean", False, "Return inputs followed by the text.", False, target="echo"
    ),
    Parameter("details", "boolean", False, "Return the tokens, their log-probabilities and the finish reason.", True),
    Parameter(
        "decoder_input_details", "boolean", False, "Return the same for the tokens of inputs; not for a stream.", False
    ),
    Parameter(
        "top_n_tokens", "integer", 0, "Return this many alternatives per position.", 2,
        low=0, high=MAX_TOP_TOKENS,
    ),
    # native parameters that TGI does not have
    replace(BY_NAME["keep_stop"], default=True, example=True),
    BY_NAME["ignore_eos"],
    replace(BY_NAME["finish_sentence"], example=False),
    BY_NAME["sentence_grace_tokens"],
    BY_NAME["on_overflow"],
    BY_NAME["timeout_s"],
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TgiRequest:
    """A request, and whether its reply contains more than the text."""

    request: GenerationRequest[Generate]
    details: bool


def parse_tgi(values: Mapping[str, Any], stream: bool | None = None) -> TgiRequest:
    """A request from a JSON object; `stream` is what the address demands, None if the body decides.

    Raises RequestErrors.
    """
    envelope = read_json(ENVELOPE, values)
    given = _without_neutral(envelope["parameters"])
    fields = read_json(TGI_PARAMETERS, given, REFUSED)
    samples = fields.pop("do_sample") or any(given.get(name) is not None for name in NEEDS_DRAWING)
    streams = _streams(envelope["stream"], stream)
    top_tokens, prefill = fields.pop("top_n_tokens"), fields.pop("decoder_input_details")
    details = fields.pop("details") or prefill or top_tokens > 0
    _check(fields["best_of"], samples, streams, prefill)
    fields |= {
        "prompts": (envelope["prompt"],),
        "model_name": envelope["model_name"],
        "logprobs": top_tokens if details or streams else None,
        "prompt_logprobs": 0 if prefill else None,
        "stream": streams,
    }
    request = GenerationRequest.from_fields(Generate, fields)
    if not samples:
        greedy = replace(request.task, sampling=request.task.sampling.as_greedy())
        request = replace(request, task=greedy)
    return TgiRequest(request, details)


def _without_neutral(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Drop watermark=false, which older clients always send."""
    return {name: value for name, value in parameters.items() if not (name == "watermark" and value is False)}


def _streams(asked: bool | None, address: bool | None) -> bool:
    """Whether to stream. `/generate_stream` always does, and refuses a body that says no."""
    if address and asked is False:
        raise InvalidParameter("stream is false, but this address only streams; POST to /generate", param="stream")
    return bool(address or asked)


def _check(best_of: int, samples: bool, streams: bool, prefill: bool) -> None:
    """Raise InvalidParameter for contradictory fields."""
    if best_of > 1 and not samples:
        raise InvalidParameter("best_of above 1 needs sampling, such as do_sample=true", param="best_of")
    if best_of > 1 and streams:
        raise InvalidParameter("best_of above 1 cannot be streamed", param="best_of")
    if prefill and streams:
        raise InvalidParameter("decoder_input_details cannot be streamed", param="decoder_input_details")
