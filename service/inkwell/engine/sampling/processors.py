"""Every step from logits to the tokens that may be drawn, in order: the one place where parameters take effect.

The order is that of transformers: logit processors, temperature, cuts. Except for temperature, each parameter of
`Sampling` belongs to exactly one row of the tables below, and each active row is a stage of an inspection. A new
parameter needs its field in `Sampling` and its row here. The cuts are written in the slow and obvious way, for one text
at a time; those marked `batched` also have a fast one (`top_tokens.py`, `full_vocabulary.py`), which gives the same
tokens.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

import torch
from torch import Tensor

from inkwell.engine.sampling.exact_weights import rounded, to_weights_
from inkwell.engine.sampling.logit_bias import apply_logit_bias
from inkwell.engine.sampling.penalties import apply_penalties, apply_repetition_penalty
from inkwell.engine.sampling.sampling_input import Rows, SamplingInput
from inkwell.parameters.sampling import Sampling

TEMPERATURE = "temperature"  # its stage
_NEUTRAL = Sampling()
_LOWEST = -1e3  # instead of -inf where the weight is 0 and their product must be 0


@dataclass(frozen=True, slots=True)
class LogitProcessor:
    """A step on logits. `apply` changes some rows of [rows, vocab] in place, each by its own input alone."""

    parameters: tuple[str, ...]
    apply: Callable[[Tensor, Rows], None]
    stage: str

    def is_active(self, sampling: Sampling) -> bool:
        return any(getattr(sampling, name) != getattr(_NEUTRAL, name) for name in self.parameters)


@dataclass(frozen=True, slots=True)
class Cut:
    """A step that removes tokens, and its stage has the name of its parameter.

    `keep` takes exponents and weights [vocab], both of tokens that earlier cuts removed being worthless: their weight
    is 0. It gives the tokens [vocab] to keep.
    """

    parameter: str
    keep: Callable[[Tensor, Tensor, Sampling], Tensor]
    batched: bool = False

    def is_active(self, sampling: Sampling) -> bool:
        return bool(getattr(sampling, self.parameter) != getattr(_NEUTRAL, self.parameter))


def apply_logit_processors(logits: Tensor, inputs: Sequence[SamplingInput]) -> Tensor:
    """The logits [rows, vocab] after all logit processors: a copy if any row has one, else what was given."""
    rows = [(number, item) for number, item in enumerate(inputs) if _logit_values(item.sampling) != _NO_LOGIT_VALUES]
    if not rows:
        return logits
    scores = logits.clone(memory_format=torch.contiguous_format)
    for processor in LOGIT_PROCESSORS:
        active = [(number, item) for number, item in rows if processor.is_active(item.sampling)]
        if active:
            processor.apply(scores, active)
    return scores


def has_temperature(sampling: Sampling) -> bool:
    return sampling.temperature != _NEUTRAL.temperature


def has_cuts(sampling: Sampling) -> bool:
    return bool(_cut_values(sampling) != _NO_CUT_VALUES)


def needs_slow_cuts(sampling: Sampling) -> bool:
    """Whether an active cut has no fast way."""
    return any(cut.is_active(sampling) for cut in _SLOW_CUTS)


def apply_cuts(exponents: Tensor, sampling: Sampling) -> Iterator[tuple[str, Tensor]]:
    """The stage of each active cut, and the tokens [vocab] that are left after it."""
    weights = to_weights_(exponents.clone()).double()
    kept = torch.ones_like(weights, dtype=torch.bool)
    for cut in CUTS:
        if cut.is_active(sampling):
            kept = kept & cut.keep(exponents, weights * kept, sampling)
            yield cut.parameter, kept


def ranks(values: Tensor) -> Tensor:
    """Ids [vocab] by falling value, equal ones by rising id."""
    return values.sort(descending=True, stable=True).indices


def _top_k(exponents: Tensor, weights: Tensor, sampling: Sampling) -> Tensor:
    kept = torch.zeros_like(weights, dtype=torch.bool)
    return kept.index_fill_(0, ranks(exponents)[: sampling.top_k], True)


def _top_p(exponents: Tensor, weights: Tensor, sampling: Sampling) -> Tensor:
    """All tokens whose predecessors together have less than this share of the weight."""
    order = ranks(exponents)
    before = weights[order].cumsum(0) - weights[order]
    return torch.empty_like(weights, dtype=torch.bool).index_copy_(0, order, before < sampling.top_p * weights.sum())


def _min_p(exponents: Tensor, weights: Tensor, sampling: Sampling) -> Tensor:
    return exponents >= torch.tensor(math.log(sampling.min_p), dtype=torch.float32, device=exponents.device)


def _typical_p(exponents: Tensor, weights: Tensor, sampling: Sampling) -> Tensor:
    """The tokens whose information is nearest to the entropy, until they have this share, and all as near as the last.

    An exponent is a token's log-probability up to a constant, which cancels in the difference.
    """
    logs, total = exponents.clamp(min=_LOWEST).double(), weights.sum()
    distances = (logs - rounded(weights * logs).sum() / total).abs().masked_fill(weights == 0, torch.inf)
    order = distances.sort().indices
    last = (weights[order].cumsum(0) < sampling.typical_p * total).sum().clamp(max=len(order) - 1)
    return distances <= distances[order[last]]


LOGIT_PROCESSORS = (
    LogitProcessor(("logit_bias",), apply_logit_bias, "logit_bias"),
    LogitProcessor(("repetition_penalty",), apply_repetition_penalty, "repetition_penalty"),
    LogitProcessor(("presence_penalty", "frequency_penalty"), apply_penalties, "penalties"),
)
CUTS = (
    Cut("top_k", _top_k, batched=True),
    Cut("top_p", _top_p, batched=True),
    Cut("min_p", _min_p, batched=True),
    Cut("typical_p", _typical_p, batched=True),
)
_SLOW_CUTS = tuple(cut for cut in CUTS if not cut.batched)
# One look at all parameters of a table, for the many rows that use none of them.
_logit_values = attrgetter(*(name for processor in LOGIT_PROCESSORS for name in processor.parameters))
_NO_LOGIT_VALUES = _logit_values(_NEUTRAL)
_cut_values = attrgetter(*(cut.parameter for cut in CUTS))
_NO_CUT_VALUES = _cut_values(_NEUTRAL)
