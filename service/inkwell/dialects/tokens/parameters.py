"""The parameters of `/tokenize` and `/detokenize`."""

from dataclasses import replace
from typing import Any

from inkwell.errors import InvalidParameter
from inkwell.parameters.parameter import MAX_INPUT_BYTES, Parameter
from inkwell.parameters.table import BY_NAME

MODEL = replace(
    BY_NAME["model_name"],
    name="model",
    target="model_name",
    help="The model whose tokenizer to use. Default: the default model.",
)


def _ids(row: Parameter, given: Any) -> tuple[int, ...]:
    """A list of token ids; which of them a model has is not known here."""
    if not isinstance(given, list) or not all(type(value) is int and value >= 0 for value in given):
        raise InvalidParameter(f"{row.name} must be a list of token ids", param=row.name)
    if len(given) > MAX_INPUT_BYTES:
        raise InvalidParameter(f"{row.name} may hold {MAX_INPUT_BYTES} ids; it holds {len(given)}", param=row.name)
    return tuple(given)


TOKENIZE_PARAMETERS = (replace(BY_NAME["input_text"], name="inputs", help="The text to tokenize."), MODEL)
DETOKENIZE_PARAMETERS = (
    Parameter(
        "tokens", "array", None, f"Up to {MAX_INPUT_BYTES:,} token ids.", [75, 73, 78, 71], required=True, parse=_ids,
        schema={"type": "array", "items": {"type": "integer", "minimum": 0}, "maxItems": MAX_INPUT_BYTES},
    ),
    MODEL,
)  # fmt: skip
