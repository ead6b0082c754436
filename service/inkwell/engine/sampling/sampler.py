"""Chooses the next token of each row from its logits.

Stateless: the n-th draw of a text is a function of its seed, its sample number and n alone, and rows do not
affect each other, so a request gets the same tokens alone, in a full batch and after a restart. The steps and their
order are in `processors.py`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from inkwell.engine.sampling.exact_weights import draw_from_all, scaled, target, to_weights_
from inkwell.engine.sampling.full_vocabulary import draw_unranked
from inkwell.engine.sampling.processors import (
    apply_cuts,
    apply_logit_processors,
    cut_columns,
    has_cuts,
    inverse_temperature,
    needs_slow_cuts,
    ranks,
)
from inkwell.engine.sampling.sampling_input import SamplingInput
from inkwell.engine.sampling.top_tokens import UNDECIDED, CutColumns, draw_ranked, likeliest, rank_top
from inkwell.errors import InvalidLogits

_MAX_RANKED = 256  # per row; a row for which they do not suffice is drawn from the full vocabulary instead


def finite_rows(logits: Tensor) -> list[bool]:
    """Whether each row of [rows, vocab] has only finite numbers."""
    finite: list[bool] = logits.sum(dim=-1).isfinite().tolist()
    if not all(finite):  # the sum of finite numbers may overflow
        finite = torch.isfinite(logits).all(dim=-1).tolist()
    return finite


def invalid_logits() -> InvalidLogits:
    """The error for a row that is not finite."""
    return InvalidLogits("the model's output is not a number; its weights may be damaged")


def choose(logits: Tensor, inputs: Sequence[SamplingInput]) -> list[int]:
    """The next token of each row of `logits` [rows, vocab] float32, without NaN; each row has a value above -inf."""
    scores = apply_logit_processors(logits, inputs)
    groups = _by_method(inputs)
    chosen = [_METHODS[method](_rows(scores, rows), [inputs[row] for row in rows]) for method, rows in groups.items()]
    order = [row for rows in groups.values() for row in rows]
    tokens = dict(zip(order, torch.cat(chosen).tolist(), strict=True))
    for row in (row for row, token in tokens.items() if token == UNDECIDED):
        tokens[row] = _draw_undecided(scores[row : row + 1], inputs[row])
    return [tokens[row] for row in range(len(inputs))]


def _by_method(inputs: Sequence[SamplingInput]) -> dict[str, list[int]]:
    """Row numbers by drawing method. The method of a row must not depend on its neighbours."""
    groups: dict[str, list[int]] = {}
    for row, item in enumerate(inputs):
        groups.setdefault(_method(item), []).append(row)
    return groups


def _method(item: SamplingInput) -> str:
    sampling = item.job.sampling
    if sampling.greedy:
        return "likeliest"
    if not has_cuts(sampling):
        return "plain"
    return "one by one" if needs_slow_cuts(sampling) else "ranked"


def _rows(scores: Tensor, rows: list[int]) -> Tensor:
    return scores if len(rows) == len(scores) else scores[rows]


def _likeliest(scores: Tensor, inputs: Sequence[SamplingInput]) -> Tensor:
    return likeliest(scores)


def _plain(scores: Tensor, inputs: Sequence[SamplingInput]) -> Tensor:
    factors = [[inverse_temperature(item.sampling)] for item in inputs]
    return draw_from_all(scores, torch.tensor(factors, device=scores.device), _uniforms(scores, inputs))


def _ranked(scores: Tensor, inputs: Sequence[SamplingInput]) -> Tensor:
    return draw_ranked(scores, rank_top(scores, _MAX_RANKED), _columns(scores, inputs), _uniforms(scores, inputs))


def _one_by_one(scores: Tensor, inputs: Sequence[SamplingInput]) -> Tensor:
    """The same as `_ranked`, for cuts without a fast implementation."""
    uniforms = _uniforms(scores, inputs)
    return torch.cat([draw_slowly(*row) for row in zip(scores, inputs, uniforms, strict=True)])


def draw_slowly(scores: Tensor, item: SamplingInput, uniform: Tensor) -> Tensor:
    """The token [1] of one row [vocab], found by ranking the whole row; `uniform` is its random number [1] float64."""
    factor = torch.tensor(inverse_temperature(item.sampling), device=scores.device)
    exponents = scaled(scores, scores.max(), factor)
    *_, (_, kept) = apply_cuts(exponents, item.sampling)
    order = ranks(scores)
    cumulative = (to_weights_(exponents).double() * kept)[order].cumsum(dim=0)
    index = torch.searchsorted(cumulative, target(uniform, cumulative[-1:]), right=True)
    return order[index]


def _draw_undecided(scores: Tensor, item: SamplingInput) -> int:
    """The token of one row [1, vocab] that `_ranked` left undecided."""
    return int(draw_unranked(scores, _columns(scores, [item]), _uniforms(scores, [item])))


def _columns(scores: Tensor, inputs: Sequence[SamplingInput]) -> CutColumns:
    return cut_columns([item.sampling for item in inputs], scores.shape[1], scores.device)


def _uniforms(scores: Tensor, inputs: Sequence[SamplingInput]) -> Tensor:
    """Each row's random number [rows, 1] float64."""
    return torch.tensor([[item.uniform] for item in inputs], dtype=torch.float64, device=scores.device)


_METHODS = {"likeliest": _likeliest, "plain": _plain, "ranked": _ranked, "one by one": _one_by_one}
