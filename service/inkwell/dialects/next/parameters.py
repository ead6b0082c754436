"""The parameters of `/v1/next`: a prompt, and those that shape the distribution of the next token."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from inkwell.parameters.parameter import Parameter
from inkwell.parameters.reading import read_json
from inkwell.parameters.request import GenerationRequest, Inspect
from inkwell.parameters.sampling import NEEDS_GENERATED, SAMPLING
from inkwell.parameters.table import BY_NAME

MAX_TOKENS = 50
REFUSED = dict.fromkeys(NEEDS_GENERATED, "it counts generated tokens, and there are none before the next token")
NEXT_PARAMETERS = (
    replace(BY_NAME["input_text"], name="prompt"),
    replace(BY_NAME["model_name"], name="model", target="model_name"),
    Parameter("top", "integer", 10, "How many of the most likely tokens to return.", 5, low=1, high=MAX_TOKENS),
    *(row for row in SAMPLING if row.name not in REFUSED),
    BY_NAME["truncate"],
)


def parse_next(values: Mapping[str, Any]) -> GenerationRequest[Inspect]:
    """A request from a JSON object that inspects the next token and generates nothing; raises RequestErrors."""
    fields = read_json(NEXT_PARAMETERS, values, REFUSED)
    return GenerationRequest.from_fields(Inspect, fields | {"prompts": (fields.pop("prompt"),)})
