"""Penalties for tokens that a text already holds: repetition, presence, frequency.

Repetition (Keskar et al., arXiv 1909.05858) counts the prompt too and divides a positive logit by the penalty, or
multiplies a negative one. After it come presence and frequency, which count generated tokens alone: a token that was
generated n times loses presence + n * frequency. A row's result depends on that row alone.
"""

from array import array
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from inkwell.engine.sampling.draw import Draw


def penalised(logits: Tensor, draws: Sequence[Draw]) -> Tensor:
    """The logits [rows, vocab] after the penalties: a copy if any row has one, else what was given."""
    repeated = [(row, draw) for row, draw in enumerate(draws) if _repeats(draw)]
    counted = [(row, draw) for row, draw in enumerate(draws) if _counts(draw)]
    if not repeated and not counted:
        return logits
    scores = logits.clone(memory_format=torch.contiguous_format)
    if repeated:
        _divide(scores, repeated)
    if counted:
        _subtract(scores, counted)
    return scores


def _repeats(draw: Draw) -> bool:
    return draw.sampling.repetition_penalty != 1 and (len(draw.prompt) > 0 or len(draw.generated) > 0)


def _counts(draw: Draw) -> bool:
    wanted = draw.sampling
    return (wanted.presence_penalty != 0 or wanted.frequency_penalty != 0) and len(draw.written) > 0


def _divide(scores: Tensor, draws: Sequence[tuple[int, Draw]]) -> None:
    """Repetition, in place. A token that a text holds twice is given the same value twice."""
    tokens, lengths = array("q"), []
    for _, draw in draws:
        tokens.extend(draw.prompt)
        tokens.extend(draw.generated)
        lengths.append(len(draw.prompt) + len(draw.generated))
    place = _rows(scores, draws, lengths), torch.frombuffer(tokens, dtype=torch.int64).to(scores.device)
    factors = scores.new_tensor([draw.sampling.repetition_penalty for _, draw in draws])
    factor = factors.repeat_interleave(torch.tensor(lengths, device=scores.device))
    values = scores[place]
    scores[place] = torch.where(values < 0, values * factor, values / factor)


def _subtract(scores: Tensor, draws: Sequence[tuple[int, Draw]]) -> None:
    """Presence and frequency, in place."""
    tokens, penalties, lengths = array("q"), array("f"), []
    for _, draw in draws:
        counts, wanted = Counter(draw.written), draw.sampling
        tokens.extend(counts)
        penalties.extend(wanted.presence_penalty + count * wanted.frequency_penalty for count in counts.values())
        lengths.append(len(counts))
    place = _rows(scores, draws, lengths), torch.frombuffer(tokens, dtype=torch.int64).to(scores.device)
    scores[place] -= torch.frombuffer(penalties, dtype=torch.float32).to(scores.device)


def _rows(scores: Tensor, draws: Sequence[tuple[int, Draw]], lengths: list[int]) -> Tensor:
    """Each draw's row, as often as it has tokens."""
    rows = torch.tensor([row for row, _ in draws])
    return rows.repeat_interleave(torch.tensor(lengths)).to(scores.device)
