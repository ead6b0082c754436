"""Chooses the next token of each row from its logits.

Stateless: the n-th draw of a sequence is a function of its seed, its sample number and n alone, and no row looks at
another, so a request gives the same tokens alone, in a crowd and after a restart. The order of the processors is
that of transformers: bias, repetition penalty (then presence and frequency), temperature, top_k, top_p, min_p,
typical_p; `inspection.py` does the same the slow and obvious way.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from inkwell.engine.contract import Sampling
from inkwell.engine.sampling.counter_rng import uniform
from inkwell.engine.sampling.draw import Draw
from inkwell.engine.sampling.exact_weights import draw_from_all, reciprocal
from inkwell.engine.sampling.full_vocabulary import draw_unranked
from inkwell.engine.sampling.logit_bias import biased
from inkwell.engine.sampling.penalties import penalised
from inkwell.engine.sampling.top_tokens import UNDECIDED, Cuts, cuts_of, draw_ranked, few, likeliest

__all__ = ["Draw", "choose", "finite_rows"]

_FEW = 256  # so many tokens of every row are ranked; where they do not decide, none is


def finite_rows(logits: Tensor) -> list[bool]:
    """Whether each row of [rows, vocab] holds finite numbers alone."""
    finite = logits.sum(dim=-1).isfinite().tolist()
    if not all(finite):  # finite numbers may have a sum that is not
        finite = torch.isfinite(logits).all(dim=-1).tolist()
    return finite


def choose(logits: Tensor, draws: Sequence[Draw]) -> list[int]:
    """The next token of each row; `logits` [rows, vocab] float32, at least one in each row above -inf, none NaN."""
    scores = penalised(biased(logits, draws), draws)
    groups = _by_method(draws)
    chosen = [_METHODS[method](_rows(scores, rows), [draws[row] for row in rows]) for method, rows in groups.items()]
    order = [row for rows in groups.values() for row in rows]
    tokens = dict(zip(order, torch.cat(chosen).tolist(), strict=True))
    for row in (row for row, token in tokens.items() if token == UNDECIDED):
        tokens[row] = _decided(scores[row : row + 1], draws[row])
    return [tokens[row] for row in range(len(draws))]


def _by_method(draws: Sequence[Draw]) -> dict[str, list[int]]:
    """Row numbers by the way they are drawn: which way a row takes must not depend on its neighbours."""
    groups: dict[str, list[int]] = {}
    for row, draw in enumerate(draws):
        groups.setdefault(_method(draw.sampling), []).append(row)
    return groups


def _method(sampling: Sampling) -> str:
    if sampling.temperature == 0:
        return "likeliest"
    cut = sampling.top_k > 0 or sampling.top_p < 1 or sampling.min_p > 0 or sampling.typical_p < 1
    return "ranked" if cut else "plain"


def _rows(scores: Tensor, rows: list[int]) -> Tensor:
    return scores if len(rows) == len(scores) else scores[rows]


def _likeliest(scores: Tensor, draws: Sequence[Draw]) -> Tensor:
    return likeliest(scores)


def _plain(scores: Tensor, draws: Sequence[Draw]) -> Tensor:
    reciprocals = [[reciprocal(draw.sampling.temperature)] for draw in draws]
    return draw_from_all(scores, torch.tensor(reciprocals, device=scores.device), _points(scores, draws))


def _ranked(scores: Tensor, draws: Sequence[Draw]) -> Tensor:
    return draw_ranked(scores, few(scores, _FEW), _cuts(scores, draws), _points(scores, draws))


def _decided(scores: Tensor, draw: Draw) -> int:
    """The token of one row [1, vocab] that a few ranks did not decide."""
    return int(draw_unranked(scores, _cuts(scores, [draw]), _points(scores, [draw])))


def _cuts(scores: Tensor, draws: Sequence[Draw]) -> Cuts:
    return cuts_of([draw.sampling for draw in draws], scores.shape[1], scores.device)


def _points(scores: Tensor, draws: Sequence[Draw]) -> Tensor:
    """Each row's random number [rows, 1] float64."""
    numbers = [[uniform(draw.sampling.seed, draw.sampling.sample, draw.number)] for draw in draws]
    return torch.tensor(numbers, dtype=torch.float64, device=scores.device)


_METHODS = {"likeliest": _likeliest, "plain": _plain, "ranked": _ranked}
