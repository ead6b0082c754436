"""`GenerationRequest`: what every dialect's request becomes, checked, and all that the layers below it see.

Its task says what to do with the prompts: generate texts, score the prompts, or inspect the next token's distribution.
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
        """Texts to generate for each prompt, including those that `best_of` discards."""
        return max(self.nsamples, self.best_of or 1)

    @property
    def grace_tokens(self) -> int:
        """Tokens that a text may have beyond its length."""
        return self.sentence_grace_tokens if self.finish_sentence else 0


@dataclass(frozen=True, slots=True)
class Score:
    """Compute each prompt and nothing after it; nothing is drawn."""

    prompt_logprobs: int | None = 0  # alternatives per position; None: no log-probabilities are wanted


@dataclass(frozen=True, slots=True)
class Inspect:
    """Compute the distribution of the token after each prompt, at each stage of the sampler; nothing is drawn."""

    top: int  # tokens of the distribution to return
    sampling: Sampling = Sampling()


Task = Generate | Score | Inspect
TaskT_co = TypeVar("TaskT_co", bound=Task, covariant=True)
TaskT = TypeVar("TaskT", bound=Task)


@dataclass(frozen=True, slots=True)
class GenerationRequest(Generic[TaskT_co]):
    """A valid request. `None` means that only the model or the service can decide.

    `table.py` describes each field. A dialect without a name for a field leaves its default.
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
        """A request for a kind of task from checked values by field, including those of the task and its `Sampling`."""
        own = _named(values, _names(GenerationRequest))
        of_task = {name: value for name, value in values.items() if name not in own and name not in _OF_SAMPLING}
        if "sampling" in _names(kind):
            of_task["sampling"] = Sampling(**_named(values, _OF_SAMPLING))
        return GenerationRequest(task=kind(**of_task), **own)

    def with_task(self, task: TaskT) -> "GenerationRequest[TaskT]":
        """The same request for another task."""
        return GenerationRequest(task=task, **self._shared())

    def values(self) -> dict[str, Any]:
        """Every value by its field, including those of the task and its `Sampling`."""
        found = self._shared() | {name: getattr(self.task, name) for name in _names(type(self.task))}
        sampling = found.pop("sampling", None)
        return found | ({name: getattr(sampling, name) for name in _OF_SAMPLING} if sampling else {})

    def _shared(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _names(GenerationRequest) if name != "task"}


def _names(kind: type) -> frozenset[str]:
    return frozenset(item.name for item in fields(kind))


def _named(values: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}
