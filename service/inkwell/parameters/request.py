"""`GenerationRequest`: the validated request of any dialect, which is all that lower layers see.

Its task is to generate texts, to score the prompts, or to inspect the distribution of the next token.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, Literal, TypeVar

from inkwell.parameters.sampling import SAMPLING, Sampling

Prompt = str | tuple[int, ...]  # text, or token ids
Overflow = Literal["error", "truncate_left", "slide"]
_OF_SAMPLING = frozenset(row.name for row in SAMPLING)


@dataclass(frozen=True, slots=True)
class Generate:
    """Generate texts that continue each prompt."""

    length: int | None = None
    sampling: Sampling = Sampling()
    seed: int | None = None
    nsamples: int = 1
    best_of: int | None = None  # None: nsamples
    stop: tuple[str, ...] = ()
    keep_stop: bool = False
    ignore_eos: bool = False
    finish_sentence: bool = False
    sentence_grace_tokens: int = 32
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    trim_start: bool = False
    echo: bool = False

    @property
    def samples(self) -> int:
        """Number of texts per prompt, including those that `best_of` discards."""
        return max(self.nsamples, self.best_of or 1)

    @property
    def grace_tokens(self) -> int:
        """Number of tokens that a text may have beyond its length."""
        return self.sentence_grace_tokens if self.finish_sentence else 0


@dataclass(frozen=True, slots=True)
class Score:
    """Compute each prompt and generate nothing; no random numbers are drawn."""

    prompt_logprobs: int | None = 0  # alternatives per position; None for no log-probabilities


@dataclass(frozen=True, slots=True)
class Inspect:
    """Compute the distribution of the token after each prompt, at each stage of the sampler; no token is drawn."""

    top: int  # tokens of the distribution to return
    sampling: Sampling = Sampling()


Task = Generate | Score | Inspect
TaskT_co = TypeVar("TaskT_co", bound=Task, covariant=True)
TaskT = TypeVar("TaskT", bound=Task)


@dataclass(frozen=True, slots=True)
class GenerationRequest(Generic[TaskT_co]):
    """A valid request. `None` means a default that depends on the model or the service.

    `table.py` describes each field. Fields that a dialect does not have keep their defaults.
    """

    prompts: tuple[Prompt, ...]
    task: TaskT_co
    model_name: str | None = None
    on_overflow: Overflow = "error"
    truncate: int | None = None
    timeout_s: float | None = None
    stream: bool = False

    @staticmethod
    def from_fields(kind: type[TaskT], values: Mapping[str, Any]) -> "GenerationRequest[TaskT]":
        """Build a request with this kind of task from checked values by field, also those of its `Sampling`."""
        own = _named(values, _names(GenerationRequest))
        of_task = {name: value for name, value in values.items() if name not in own and name not in _OF_SAMPLING}
        if "sampling" in _names(kind):
            of_task["sampling"] = Sampling(**_named(values, _OF_SAMPLING))
        return GenerationRequest(task=kind(**of_task), **own)

    def with_task(self, task: TaskT) -> "GenerationRequest[TaskT]":
        """Return the same request with another task."""
        return GenerationRequest(task=task, **self._shared())

    def values(self) -> dict[str, Any]:
        """All values by field, including those of the task and its `Sampling`."""
        found = self._shared() | {name: getattr(self.task, name) for name in _names(type(self.task))}
        sampling = found.pop("sampling", None)
        return found | ({name: getattr(sampling, name) for name in _OF_SAMPLING} if sampling else {})

    def _shared(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _names(GenerationRequest) if name != "task"}


def _names(kind: type) -> frozenset[str]:
    return frozenset(item.name for item in fields(kind))


def _named(values: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}
