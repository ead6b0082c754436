"""Chooses the next token of each row from its logits.

Stateless: the n-th draw of a sequence is a function of its seed, its sample number and n alone, and no row looks at
another, so a request gives the same tokens alone, in a crowd and after a restart. The order of the processors is
that of transformers: temperature, top_k, top_p.
"""

import hashlib
import struct
from collections.abc import Sequence as Rows

import torch
from torch import Tensor

from service.engine.contract import Sampling


def uniform(seed: int, sample: int, draw: int) -> float:
    """The `draw`-th number of a sample's stream, in [0, 1): the top 53 bits of a keyed BLAKE2b hash of the counter."""
    digest = hashlib.blake2b(struct.pack("<QQQ", seed, sample, draw), digest_size=8, person=b"inkwell-draw").digest()
    return (int.from_bytes(digest, "little") >> 11) * 2.0**-53


def finite_rows(logits: Tensor) -> list[bool]:
    """Whether each row of [rows, vocab] holds finite numbers alone."""
    return torch.isfinite(logits).all(dim=-1).tolist()


def choose(logits: Tensor, samplings: Rows[Sampling], draws: Rows[int]) -> list[int]:
    """The next token of each row; `logits` [rows, vocab] float32 and finite, `draws` how many were drawn before."""
    tokens = torch.empty(len(samplings), dtype=torch.int64, device=logits.device)
    for method, rows in _by_method(samplings).items():
        chosen = [samplings[row] for row in rows]
        if method == "greedy":
            tokens[rows] = logits[rows].argmax(dim=-1)
            continue
        numbers = [uniform(samplings[row].seed, samplings[row].sample, draws[row]) for row in rows]
        points = torch.tensor(numbers, dtype=torch.float64, device=logits.device)  # [rows]
        probabilities = _probabilities(logits[rows], chosen)
        draw = _draw_filtered if method == "filtered" else _draw
        tokens[rows] = draw(probabilities, points, chosen)
    return tokens.tolist()


def _by_method(samplings: Rows[Sampling]) -> dict[str, list[int]]:
    """Row numbers by the way they are drawn: which way a row takes must not depend on its neighbours."""
    groups: dict[str, list[int]] = {}
    for row, sampling in enumerate(samplings):
        filtered = sampling.top_k > 0 or sampling.top_p < 1
        method = "greedy" if sampling.temperature == 0 else "filtered" if filtered else "plain"
        groups.setdefault(method, []).append(row)
    return groups


def _column(values: list[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).unsqueeze(1)  # [rows, 1]


def _probabilities(logits: Tensor, samplings: list[Sampling]) -> Tensor:
    """[rows, vocab] float64. The maximum is taken off first, so that the smallest temperature cannot overflow."""
    scaled = (logits - logits.amax(dim=-1, keepdim=True)).double()
    return (scaled / _column([sampling.temperature for sampling in samplings], scaled)).softmax(dim=-1)


def _draw(probabilities: Tensor, points: Tensor, samplings: list[Sampling]) -> Tensor:
    """Inverse of the cumulative distribution at each row's point; one uniform number a token. Gives [rows]."""
    cumulative = probabilities.cumsum(dim=-1)
    targets = points.unsqueeze(1) * cumulative[:, -1:]  # rounding may leave the sum a little off 1
    return torch.searchsorted(cumulative, targets, right=True).squeeze(1).clamp_(max=probabilities.shape[1] - 1)


def _draw_filtered(probabilities: Tensor, points: Tensor, samplings: list[Sampling]) -> Tensor:
    """The same after top_k and then top_p, on the tokens in order of falling probability. Gives [rows]."""
    vocabulary = probabilities.shape[1]
    ranked, order = probabilities.sort(dim=-1, descending=True, stable=True)
    rank = torch.arange(vocabulary, device=ranked.device).unsqueeze(0)  # [1, vocab]
    top_k = _column([float(sampling.top_k or vocabulary) for sampling in samplings], ranked)
    ranked = ranked * (rank < top_k)
    ranked = ranked / ranked.sum(dim=-1, keepdim=True)  # top_p is a share of what top_k left
    before = ranked.cumsum(dim=-1) - ranked  # probability of all tokens ranked higher
    ranked = ranked * (before < _column([sampling.top_p for sampling in samplings], ranked))
    place = _draw(ranked, points, samplings)
    place = torch.minimum(place, (ranked > 0).sum(dim=-1) - 1)  # never a token that was filtered out
    return order.gather(1, place.unsqueeze(1)).squeeze(1)
