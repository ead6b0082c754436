"""`Sampling`: how a token is chosen from its logits. Each parameter is declared here once, as a field with its row.

The tables of all dialects, requests, the message to a worker and the engine use this class. What a parameter does is
in `engine/sampling/processors.py`. Knows no dialect and no HTTP.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Any

from inkwell.errors import InvalidParameter
from inkwell.parameters.lists import BIAS_SCHEMA, biases, biases_as_json
from inkwell.parameters.parameter import Kind, Parameter


def _parameter(
    kind: Kind, default: Any, meaning: str, example: Any, only_when_drawing: bool = False, **more: Any
) -> Any:
    """One field. Its default has no effect; `only_when_drawing` says that it has none in greedy decoding either."""
    row = Parameter("", kind, default, meaning, example, **more)
    return field(default=default, metadata={"row": row, "only_when_drawing": only_when_drawing})


@dataclass(frozen=True, slots=True)
class Sampling:
    """The parameters of the distribution that tokens are drawn from; ranges were checked where they were parsed."""

    temperature: float = _parameter(
        "number",
        1.0,
        "Below 1 the likely tokens become likelier, above 1 the unlikely ones; 0 always takes the likeliest.",
        0.8,
        only_when_drawing=True,
        low=0,
        high=2,
    )
    top_k: int = _parameter(
        "integer",
        0,
        "Choose among the k likeliest tokens; 0 is no limit.",
        40,
        only_when_drawing=True,
        low=0,
        high=100_000,
    )
    top_p: float = _parameter(
        "number",
        1.0,
        "Choose among the likeliest tokens that together have this probability; 1 is no limit.",
        0.95,
        only_when_drawing=True,
        above=0,
        high=1,
    )
    min_p: float = _parameter(
        "number",
        0.0,
        "Drop tokens less likely than this share of the likeliest token's probability; 0 is no limit.",
        0.05,
        only_when_drawing=True,
        low=0,
        high=1,
    )
    typical_p: float = _parameter(
        "number",
        1.0,
        "Choose among the tokens about as surprising as is to be expected that together have this probability; "
        "1 is no limit.",
        0.9,
        only_when_drawing=True,
        above=0,
        high=1,
    )
    repetition_penalty: float = _parameter(
        "number",
        1.0,
        "Above 1, tokens that the prompt or the generated text holds become less likely: a positive logit is divided "
        "by it, a negative one multiplied; 1 is none.",
        1.1,
        low=0.01,
        high=100,
    )
    presence_penalty: float = _parameter(
        "number",
        0.0,
        "Taken off the logit of every token that the generated text holds; the prompt does not count. 0 is none.",
        0.5,
        low=-2,
        high=2,
    )
    frequency_penalty: float = _parameter(
        "number",
        0.0,
        "Taken off a token's logit once for each time that the generated text holds it; the prompt does not count. "
        "0 is none.",
        0.5,
        low=-2,
        high=2,
    )
    # (id, what is added to its logit), each id of the vocabulary at most once
    logit_bias: tuple[tuple[int, float], ...] = _parameter(
        "object", (),
        "Numbers between -100 and 100 by token id, added to the tokens' logits; -100 bans a token. In a query or form "
        "it is written as JSON.",
        {"13": -100}, parse=biases, as_json=biases_as_json, schema=BIAS_SCHEMA,
    )  # fmt: skip

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is taken and nothing drawn."""
        return self.temperature == 0

    def as_greedy(self) -> "Sampling":
        return replace(self, temperature=0.0)


SAMPLING = tuple(replace(item.metadata["row"], name=item.name) for item in fields(Sampling))
GREEDY = Sampling().as_greedy()
ONLY_WHEN_DRAWING = tuple(item.name for item in fields(Sampling) if item.metadata["only_when_drawing"])


def check_tokens(sampling: Sampling, model_name: str, vocab_size: int) -> None:
    """Raises InvalidParameter for a token that the model does not have."""
    unknown = next((token for token, _ in sampling.logit_bias if token >= vocab_size), None)
    if unknown is not None:
        message = f"logit_bias names the token {unknown}; {model_name} has tokens from 0 to {vocab_size - 1}"
        raise InvalidParameter(message, param="logit_bias")
