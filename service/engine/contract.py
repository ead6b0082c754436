"""What crosses the border of the engine: the values that others hand in and get back. No torch, no HTTP, no text."""

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length"]  # the end-of-text token, or as many tokens as were asked for


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to choose the tokens of one sequence; ranges were checked where the request was parsed."""

    max_tokens: int
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


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """A sequence has one more token, or has ended, or both.

    `token` is None when the sequence ended on its stop token, which is no part of the text. `cached_tokens` is told by
    the last event: how many tokens of the prompt were found computed already.
    """

    key: int
    token: int | None
    finish: FinishReason | None
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class FailureEvent:
    """A sequence ended without a finish reason; `code` is that of the class in `service.errors`."""

    key: int
    code: str
    message: str
    cause: str | None


Event = TokenEvent | FailureEvent


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
