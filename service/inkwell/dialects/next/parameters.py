"""What `/v1/next` takes: a prompt, and the parameters that shape the choice of the token behind it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from inkwell.parameters.parameter import Parameter
from inkwell.parameters.reading import read_json
from inkwell.parameters.request import GenerationRequest, Inspect
from inkwell.parameters.sampling import SAMPLING
from inkwell.parameters.table import BY_NAME

MOST_TOKENS = 50
NOTHING_YET = "it counts generated tokens, and before the next token there are none"
REFUSED = {"presence_penalty": NOTHING_YET, "frequency_penalty": NOTHING_YET}
NEXT_PARAMETERS = (
    replace(BY_NAME["input_text"], name="prompt"),
    replace(BY_NAME["model_name"], name="model", target="model_name"),
    Parameter("top", "integer", 10, "How many of the likeliest tokens to tell.", 5, low=1, high=MOST_TOKENS),
    *(row for row in SAMPLING if row.name not in REFUSED),
    BY_NAME["truncate"],
)


def parse_next(values: Mapping[str, Any]) -> GenerationRequest[Inspect]:
    """A request from a JSON object that inspects the next token and generates none; raises RequestErrors."""
    fields = read_json(NEXT_PARAMETERS, values, REFUSED)
    return GenerationRequest.from_fields(Inspect, fields | {"prompts": (fields.pop("prompt"),)})
