"""`GenerationRequest`: what every dialect's request becomes, checked, and all that the layers below it see."""

from dataclasses import dataclass
from typing import Literal

Prompt = str | tuple[int, ...]  # text, or token ids
Overflow = Literal["error", "truncate_left", "slide"]


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A valid request. `None` stands for what only the model or the service can decide.

    `table.py` says what each field means. A dialect that has no name for one leaves its default.
    """

    prompts: tuple[Prompt, ...]
    model_name: str | None = None
    length: int | None = None  # 0: the prompt is computed and nothing generated
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
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
