"""What a client may ask for: the parameters as a table, their reading, and the request that they become."""

from inkwell.params.parameter import MAX_INPUT_BYTES, Parameter
from inkwell.params.reading import readable
from inkwell.params.request import GenerationRequest
from inkwell.params.table import BY_NAME, PARAMETERS, check_best_of, parse_json, parse_text

__all__ = [
    "BY_NAME",
    "MAX_INPUT_BYTES",
    "PARAMETERS",
    "GenerationRequest",
    "Parameter",
    "check_best_of",
    "parse_json",
    "parse_text",
    "readable",
]
