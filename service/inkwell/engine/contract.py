"""What crosses the border of the engine: the values that others hand in and get back. No torch, no HTTP, no text.

Log-probabilities are natural logarithms of the model's own distribution: of its logits as they are, before bias,
penalties and temperature. They are finite: a job whose logits are not fails. They are a function of those logits alone,
so wherever a token's logits do not depend on who shares its steps, what is told of it does not either.
"""

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length"]  # the end-of-text token, or as many tokens as were asked for


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to choose the tokens of one sequence; ranges were checked where the request was parsed."""

    max_tokens: int  # 0 computes the prompt and chooses nothing: the job ends with "length"
    temperature: float  # 0 means the most probable token
    top_k: int  # 0 means no limit
    top_p: float  # 1 means no limit
    seed: int
    sample: int  # which of the request's samples this is: each draws its own numbers from the one seed
    stop_tokens: tuple[int, ...]  # ids that end the text; without any, only max_tokens does
    min_p: float = 0.0  # 0 means no limit
    typical_p: float = 1.0  # 1 means no limit
    repetition_penalty: float = 1.0  # 1 means none; counts the prompt too
    presence_penalty: float = 0.0  # 0 means none; this one and the next count generated tokens alone
    frequency_penalty: float = 0.0
    # (id, what is added to its logit before all penalties), each id of the vocabulary at most once; -100 bans it
    logit_bias: tuple[tuple[int, float], ...] = ()
    # Tell the log-probability of each chosen token, and of so many likeliest ones; 0: of none beside it, None: nothing
    logprobs: int | None = None
    # The text had so many generated tokens before this job began to go on with it; the newest of them end the prompt.
    # Draw number n of the job is draw generated_before + n of the text; presence and frequency penalties count those of
    # them that the prompt still holds.
    generated_before: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One sequence to generate. `key` is the caller's and comes back in the events.

    Two jobs may share computed prefixes only when their salts are equal: else the time of an answer would tell one
    caller what another has asked.
    """

    key: int
    prompt: tuple[int, ...]
    sampling: Sampling
    salt: str = ""
    prompt_logprobs: int | None = None  # as Sampling.logprobs, for every token of the prompt but the first
    inspect: int | None = None  # tell the distribution behind the prompt for so many tokens; max_tokens is 0 then

    def __post_init__(self) -> None:
        assert self.inspect is None or self.sampling.max_tokens == 0, "an inspection chooses nothing"

    @property
    def needs_logits(self) -> bool:
        """Whether anything is asked about what comes behind the prompt."""
        return self.sampling.max_tokens > 0 or self.inspect is not None

    @property
    def reuses(self) -> bool:
        """Whether computed beginnings serve it: scores of a prompt need all of its positions."""
        return self.prompt_logprobs is None


TopTokens = tuple[tuple[int, float], ...]  # (id, log-probability), the likeliest first, of equal ones the lowest id


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """A sequence has one more token, or has ended, or both.

    `token` is None when the sequence ended on its stop token, which is no part of the text, or chose none. The first
    event of a job also tells `cached_tokens`, how many tokens of the prompt were found computed already, and `queue_s`,
    how long the job waited for its slot.
    """

    key: int
    token: int | None
    finish: FinishReason | None
    cached_tokens: int = 0
    logprob: float | None = None  # of `token`, when asked for
    top: TopTokens = ()  # at its position
    queue_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PromptEvent:
    """Log-probabilities of the prompt's own tokens at the positions `first`, `first` + 1, and so on.

    A job's come in order and before its first TokenEvent. `first` is at least 1: the first token has no probability.
    """

    key: int
    first: int
    logprobs: tuple[float, ...]
    top: tuple[TopTokens, ...]  # one for each position, empty when 0 were asked for


@dataclass(frozen=True, slots=True)
class Stage:
    """A distribution after one step of the sampler."""

    name: str  # "model", or the parameter of the step; "penalties" is presence and frequency together
    probabilities: tuple[float, ...]  # of the inspection's tokens, 0 for removed ones
    kept: int  # tokens with a probability above 0
    removed: int  # tokens that this step took away
    removed_mass: float  # their probability before it


@dataclass(frozen=True, slots=True)
class InspectionEvent:
    """What the next token would be chosen from, step by step; comes before the last event of its job.

    `tokens` are the likeliest of the model's own distribution, and behind them those of the last stage's likeliest that
    are not among them. The stages are "model", then one for each step that the sampling switches on, in the order of
    the sampler: logit_bias, repetition_penalty, penalties, temperature, top_k, top_p, min_p, typical_p.
    """

    key: int
    tokens: tuple[int, ...]
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True)
class FailureEvent:
    """A sequence ended without a finish reason; `code` is that of the class in `inkwell.errors`."""

    key: int
    code: str
    message: str
    cause: str | None


Event = TokenEvent | PromptEvent | InspectionEvent | FailureEvent


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What the engine may use. `threads` 0 leaves the choice to torch, `device` may be "spread" over all there are."""

    device: str = "auto"
    dtype: str = "auto"
    threads: int = 0
    max_rows: int = 16
    cache_bytes: int = 4 << 30
    prefill_chunk: int = 256  # most prompt tokens computed in one step, so that others wait for no more than that
    speculation: str = "ngram"  # or "off"
    draft_folder: str = ""  # a checkpoint of the same vocabulary that drafts for this one; empty: none does
    kernels: str = "auto"  # or "torch", where the native ones run too
    max_memory: str = ""  # for "spread", as in "0=20GiB,1=20GiB,cpu=64GiB"; empty: nearly all that is free
