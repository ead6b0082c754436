"""Every step from logits to the tokens that may be drawn, in order: the only place where parameters take effect.

The order is that of transformers: logit processors, temperature, cuts. Except for temperature, each parameter of
`Sampling` belongs to exactly one row of the tables below, and each active row is a stage of an inspection. A new
parameter needs its field in `Sampling` and its row here. The functions of the cuts are a reference implementation
for one text at a time. Cuts marked `batched` also have a fast one (`top_tokens.py`, `full_vocabulary.py`) that keeps
the same tokens; `cut_columns` passes their parameters to it.
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
from inkwell.engine.sampling.top_tokens import CutColumns
from inkwell.parameters.sampling import Sampling

TEMPERATURE = "temperature"  # name of its stage
_NEUTRAL = Sampling()
_LOWEST = -1e3  # replaces -inf, whose product with a weight of 0 would be NaN
# Larger factors would be infinite in float32; far smaller ones already give all probability to the most likely token.
_MAX_FACTOR = 2.0**126


@dataclass(frozen=True, slots=True)
class LogitProcessor:
    """A step on logits. `apply` changes some rows of [rows, vocab] in place; each depends only on its own input."""

    parameters: tuple[str, ...]
    apply: Callable[[Tensor, Rows], None]
    stage: str

    def is_active(self, sampling: Sampling) -> bool:
        return any(getattr(sampling, name) != getattr(_NEUTRAL, name) for name in self.parameters)


@dataclass(frozen=True, slots=True)
class Cut:
    """A step that removes tokens. Its stage has the name of its parameter.

    `keep` returns the tokens to keep, as booleans [vocab], from the exponents and weights [vocab] of
    `exact_weights.py`. Tokens that earlier cuts removed have weight 0.
    """

    parameter: str
    keep: Callable[[Tensor, Tensor, Sampling], Tensor]
    batched: bool = False

    def is_active(self, sampling: Sampling) -> bool:
        return bool(getattr(sampling, self.parameter) != getattr(_NEUTRAL, self.parameter))


def apply_logit_processors(logits: Tensor, inputs: Sequence[SamplingInput]) -> Tensor:
    """The logits [rows, vocab] after all logit processors: a copy if a row has an active one, else `logits` itself."""
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


def inverse_temperature(sampling: Sampling) -> float:
    """The factor that logits are multiplied by; undefined for greedy decoding."""
    return min(1 / sampling.temperature, _MAX_FACTOR)


def has_cuts(sampling: Sampling) -> bool:
    return bool(_cut_values(sampling) != _NO_CUT_VALUES)


def needs_slow_cuts(sampling: Sampling) -> bool:
    """Whether an active cut has no fast implementation."""
    return any(cut.is_active(sampling) for cut in _SLOW_CUTS)


def apply_cuts(exponents: Tensor, sampling: Sampling) -> Iterator[tuple[str, Tensor]]:
    """The stage of each active cut, and a mask [vocab] of the tokens that are left after it."""
    weights = to_weights_(exponents.clone()).double()
    kept = torch.ones_like(weights, dtype=torch.bool)
    for cut in CUTS:
        if cut.is_active(sampling):
            kept = kept & cut.keep(exponents, weights * kept, sampling)
            yield cut.parameter, kept


def cut_columns(samplings: Sequence[Sampling], vocabulary: int, device: torch.device) -> CutColumns:
    """Temperature and batched cuts of some samplings that are not greedy, in one copy to the device."""
    table = [
        (
            inverse_temperature(sampling),
            math.log(sampling.min_p) if sampling.min_p > 0 else -math.inf,
            float(min(sampling.top_k or vocabulary, vocabulary)),
            sampling.top_p,
            sampling.typical_p,
        )
        for sampling in samplings
    ]
    columns = torch.tensor(table, dtype=torch.float64, device=device).unsqueeze(2).unbind(dim=1)
    inverse_temperatures, log_floors, max_ranks, nucleus, typical = columns
    return CutColumns(
        inverse_temperatures.float(),
        log_floors.float(),
        max_ranks,
        nucleus,
        typical,
        need_total=any(sampling.top_k == 0 and sampling.top_p < 1 for sampling in samplings),
        any_floor=any(sampling.min_p > 0 for sampling in samplings),
        any_typical=any(sampling.typical_p < 1 for sampling in samplings),
    )


def ranks(values: Tensor) -> Tensor:
    """Ids [vocab] by descending value, then by ascending id."""
    return values.sort(descending=True, stable=True).indices


def _top_k(exponents: Tensor, weights: Tensor, sampling: Sampling) -> Tensor:
    kept = torch.zeros_like(weights, dtype=torch.bool)
    return kept.index_fill_(0, ranks(exponents)[: sampling.top_k], True)


def _top_p(exponents: Tensor, weights: Tensor, sampling: Sampling) -> Tensor:
    """The tokens for which all tokens ranked above them together have less than this fraction of the weight."""
    order = ranks(exponents)
    before = weights[order].cumsum(0) - weights[order]
    return torch.empty_like(weights, dtype=torch.bool).index_copy_(0, order, before < sampling.top_p * weights.sum())


def _min_p(exponents: Tensor, weights: Tensor, sampling: Sampling) -> Tensor:
    return exponents >= torch.tensor(math.log(sampling.min_p), dtype=torch.float32, device=exponents.device)


def _typical_p(exponents: Tensor, weights: Tensor, sampling: Sampling) -> Tensor:
    """The tokens with information content nearest to the entropy that together have this probability, ties included.

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
# Reads all parameters of a table at once, because most texts use none of them.
_logit_values = attrgetter(*(name for processor in LOGIT_PROCESSORS for name in processor.parameters))
_NO_LOGIT_VALUES = _logit_values(_NEUTRAL)
_cut_values = attrgetter(*(cut.parameter for cut in CUTS))
_NO_CUT_VALUES = _cut_values(_NEUTRAL)
