"""`GenerationRequest`: what every dialect's request becomes, checked, and all that the layers below it see."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from inkwell.parameters.sampling import SAMPLING, Sampling

Prompt = str | tuple[int, ...]  # text, or token ids
Overflow = Literal["error", "truncate_left", "slide"]
_OF_SAMPLING = frozenset(row.name for row in SAMPLING)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A valid request. `None` stands for what only the model or the service can decide.

    `table.py` says what each field means. A dialect that has no name for one leaves its default.
    """

    prompts: tuple[Prompt, ...]
    model_name: str | None = None
    length: int | None = None  # 0: the prompt is computed and nothing generated
    sampling: Sampling = Sampling()
    seed: int | None = None
    nsamples: int = 1
    best_of: int | None = None  # None: nsamples
    stop: tuple[str, ...] = ()
    keep_stop: bool = False
    ignore_eos: bool = False
    finish_sentence: bool = False
    sentence_grace_tokens: int = 32
    on_overflow: Overflow = "error"
    truncate: int | None = None
    timeout_s: float | None = None
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    inspect: int | None = None  # the distribution behind the prompt is wanted, and no text; not in the native table
    trim_start: bool = False
    echo: bool = False
    stream: bool = False

    @classmethod
    def from_fields(cls, values: Mapping[str, Any]) -> "GenerationRequest":
        """A request from checked values by field, those of `Sampling` among them."""
        sampling = Sampling(**{name: value for name, value in values.items() if name in _OF_SAMPLING})
        return cls(sampling=sampling, **{name: value for name, value in values.items() if name not in _OF_SAMPLING})

    def value(self, name: str) -> Any:
        """The value of a field, those of `Sampling` among them."""
        return getattr(self.sampling if name in _OF_SAMPLING else self, name)
