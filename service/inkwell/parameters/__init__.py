"""Request parameters: their tables, the parsing of requests by them, and the parsed `GenerationRequest`."""

from inkwell.parameters.parameter import MAX_INPUT_BYTES, Parameter
from inkwell.parameters.reading import readable
from inkwell.parameters.request import Generate, GenerationRequest, Inspect, Score, Task
from inkwell.parameters.table import (
    BY_NAME,
    NOT_EFFECTIVE,
    PARAMETERS,
    check_best_of,
    effective,
    parse_json,
    parse_text,
)

__all__ = [
    "BY_NAME",
    "MAX_INPUT_BYTES",
    "NOT_EFFECTIVE",
    "PARAMETERS",
    "Generate",
    "GenerationRequest",
    "Inspect",
    "Parameter",
    "Score",
    "Task",
    "check_best_of",
    "effective",
    "parse_json",
    "parse_text",
    "readable",
]
