"""The dialect of Hugging Face's TGI: its names for our parameters, what it has of its own, and what is refused.

A request is an envelope, `inputs` and `parameters`. As in TGI, a text is the likeliest one unless sampling is asked
for, by `do_sample` or by any parameter that only sampling has; unlike there, it does not matter whether `parameters`
is left out, and limits may be given at their neutral ends (`top_p` 1, `temperature` 0).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from inkwell.errors import InvalidParameter
from inkwell.parameters.parameter import Parameter, wrong_type
from inkwell.parameters.reading import read_json
from inkwell.parameters.request import Generate, GenerationRequest
from inkwell.parameters.table import BY_NAME

MOST_TOP_TOKENS = 5
SAMPLES = ("temperature", "top_k", "top_p", "typical_p", "min_p")  # any of them asks for sampling
ONLY_TEXT = "this service generates free text and has no grammars"
REFUSED = {
    "watermark": "this service puts no marks into texts",
    "grammar": ONLY_TEXT,
    "adapter_id": "this service has no adapters; a fine-tuned model is a folder with a name, which `model` takes",
}


def _object(row: Parameter, given: Any) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise wrong_type(row, given)
    return given


ENVELOPE = (
    replace(BY_NAME["input_text"], name="inputs", target="prompt"),
    Parameter("parameters", "object", {}, "How to continue it; every field of it may be left out.", {}, parse=_object),
    replace(BY_NAME["model_name"], name="model", target="model_name"),
    Parameter("stream", "boolean", None, "Send the text as server-sent events, one a token.", False),
)
TGI_PARAMETERS = (
    replace(BY_NAME["length"], name="max_new_tokens", target="length"),
    Parameter(
        "do_sample", "boolean", False,
        "Draw each token by its probability, else take the likeliest. temperature, top_k, top_p, typical_p or min_p "
        "ask for it too.",
        True,
    ),
    BY_NAME["temperature"],
    BY_NAME["top_k"],
    BY_NAME["top_p"],
    BY_NAME["typical_p"],
    BY_NAME["repetition_penalty"],
    BY_NAME["frequency_penalty"],
    BY_NAME["seed"],
    replace(
        BY_NAME["stop"], help="Up to 4 strings; the text ends with the first that it holds.", example=["\n\n"],
    ),
    replace(
        BY_NAME["best_of"],
        help="Generate so many texts and give the likeliest per token first; needs sampling, and is not for a stream.",
        default=1,
    ),
    BY_NAME["truncate"],
    Parameter(
        "return_full_text", "boolean", False, "Begin the text with inputs, as they were sent.", False, target="echo"
    ),
    Parameter("details", "boolean", False, "Tell the tokens with their log-probabilities, and why it ended.", True),
    Parameter(
        "decoder_input_details", "boolean", False, "Tell the same of the tokens of inputs; not for a stream.", False
    ),
    Parameter(
        "top_n_tokens", "integer", 0, "Tell so many of the likeliest tokens in the place of each.", 2,
        low=0, high=MOST_TOP_TOKENS,
    ),
    # what TGI does not have, under our own names
    replace(BY_NAME["keep_stop"], default=True, example=True),
    BY_NAME["min_p"],
    BY_NAME["presence_penalty"],
    BY_NAME["logit_bias"],
    BY_NAME["ignore_eos"],
    replace(BY_NAME["finish_sentence"], example=False),
    BY_NAME["sentence_grace_tokens"],
    BY_NAME["on_overflow"],
    BY_NAME["timeout_s"],
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TgiRequest:
    """A request, and whether its reply tells more than the text."""

    request: GenerationRequest[Generate]
    details: bool


def parse_tgi(values: Mapping[str, Any], stream: bool | None = None) -> TgiRequest:
    """A request from a JSON object; `stream` is what the address says already, None where the body decides.

    Raises RequestErrors.
    """
    envelope = read_json(ENVELOPE, values)
    given = _without_neutral(envelope["parameters"])
    fields = read_json(TGI_PARAMETERS, given, REFUSED)
    samples = fields.pop("do_sample") or any(given.get(name) is not None for name in SAMPLES)
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
    """Older clients always send watermark=false, which asks for nothing."""
    return {name: value for name, value in parameters.items() if not (name == "watermark" and value is False)}


def _streams(asked: bool | None, address: bool | None) -> bool:
    """`/generate_stream` streams whatever the body says, unless it says no."""
    if address and asked is False:
        raise InvalidParameter("stream is false, but this address only streams; POST to /generate", param="stream")
    return bool(address or asked)


def _check(best_of: int, samples: bool, streams: bool, prefill: bool) -> None:
    """Fields that do not go together."""
    if best_of > 1 and not samples:
        raise InvalidParameter("best_of above 1 needs sampling, such as do_sample=true", param="best_of")
    if best_of > 1 and streams:
        raise InvalidParameter("best_of above 1 cannot be streamed", param="best_of")
    if prefill and streams:
        raise InvalidParameter("decoder_input_details cannot be streamed", param="decoder_input_details")
