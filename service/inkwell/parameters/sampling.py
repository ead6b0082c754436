"""`Sampling`: the sampling parameters of a request, each declared once, as a field with its `Parameter` row.

The tables of all dialects, requests, the message to a worker and the engine use this class. What a parameter does to
the logits is in `engine/sampling/processors.py`. Knows no dialect and no HTTP.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from inkwell.errors import InvalidParameter
from inkwell.parameters.lists import BIAS_SCHEMA, biases, biases_as_json
from inkwell.parameters.parameter import Kind, Parameter


def _parameter(
    kind: Kind,
    default: Any,
    meaning: str,
    example: Any,
    needs_drawing: bool = False,
    needs_generated: bool = False,
    **more: Any,
) -> Any:
    """A field with its row. At its default a parameter changes nothing.

    `needs_drawing`: no effect in greedy decoding. `needs_generated`: no effect before the first generated token.
    """
    row = Parameter("", kind, default, meaning, example, **more)
    return field(
        default=default, metadata={"row": row, "needs_drawing": needs_drawing, "needs_generated": needs_generated}
    )


@dataclass(frozen=True, slots=True)
class Sampling:
    """The parameters that shape the distribution of the next token. Ranges are checked during parsing, not here."""

    temperature: float = _parameter(
        "number",
        1.0,
        "Logits are divided by this: below 1 sharpens the distribution, above 1 flattens it; 0 is greedy decoding.",
        0.8,
        needs_drawing=True,
        low=0,
        high=2,
    )
    top_k: int = _parameter(
        "integer",
        0,
        "Keep only the k most likely tokens; 0 keeps all.",
        40,
        needs_drawing=True,
        low=0,
        high=100_000,
    )
    top_p: float = _parameter(
        "number",
        1.0,
        "Nucleus sampling: keep the fewest most likely tokens whose probabilities add up to at least this; 1 keeps "
        "all.",
        0.95,
        needs_drawing=True,
        above=0,
        high=1,
    )
    min_p: float = _parameter(
        "number",
        0.0,
        "Drop tokens whose probability is below this fraction of the most likely token's; 0 keeps all.",
        0.05,
        needs_drawing=True,
        low=0,
        high=1,
    )
    typical_p: float = _parameter(
        "number",
        1.0,
        "Locally typical sampling: keep the tokens whose information content is closest to the entropy of the "
        "distribution, until their probabilities add up to at least this; 1 keeps all.",
        0.9,
        needs_drawing=True,
        above=0,
        high=1,
    )
    repetition_penalty: float = _parameter(
        "number",
        1.0,
        "Makes tokens that occur in the prompt or the generated text less likely (above 1) or more likely (below 1): "
        "a positive logit is divided by it, a negative one multiplied. 1 turns it off.",
        1.1,
        low=0.01,
        high=100,
    )
    presence_penalty: float = _parameter(
        "number",
        0.0,
        "Subtracted from the logit of every token that occurs in the generated text; the prompt does not count. 0 "
        "turns it off.",
        0.5,
        needs_generated=True,
        low=-2,
        high=2,
    )
    frequency_penalty: float = _parameter(
        "number",
        0.0,
        "Subtracted from a token's logit once per occurrence in the generated text; the prompt does not count. 0 "
        "turns it off.",
        0.5,
        needs_generated=True,
        low=-2,
        high=2,
    )
    # pairs of token id and bias, sorted by id, without repeats
    logit_bias: tuple[tuple[int, float], ...] = _parameter(
        "object",
        (),
        "Map from token id to a number between -100 and 100 that is added to the token's logit; -100 bans the token.",
        {"13": -100},
        parse=biases,
        as_json=biases_as_json,
        schema=BIAS_SCHEMA,
    )

    @property
    def greedy(self) -> bool:
        """Whether decoding is greedy: the most likely token is taken and no random number is used."""
        return self.temperature == 0

    def as_greedy(self) -> "Sampling":
        return replace(self, temperature=0.0)


GREEDY = Sampling().as_greedy()
SAMPLING = tuple(replace(item.metadata["row"], name=item.name) for item in fields(Sampling))
NEEDS_DRAWING = tuple(item.name for item in fields(Sampling) if item.metadata["needs_drawing"])
NEEDS_GENERATED = tuple(item.name for item in fields(Sampling) if item.metadata["needs_generated"])


def sampling_rows(**changes: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """The rows of all sampling parameters for a dialect's table; `changes` are fields of rows by parameter name."""
    assert changes.keys() <= {row.name for row in SAMPLING}, "changes name a row that does not exist"
    return tuple(replace(row, **changes.get(row.name, {})) for row in SAMPLING)


def check_tokens(sampling: Sampling, model_name: str, vocab_size: int) -> None:
    """Raise InvalidParameter for a token id that the model does not have."""
    unknown = next((token for token, _ in sampling.logit_bias if token >= vocab_size), None)
    if unknown is not None:
        message = f"logit_bias names the token {unknown}; {model_name} has tokens from 0 to {vocab_size - 1}"
        raise InvalidParameter(message, param="logit_bias")
