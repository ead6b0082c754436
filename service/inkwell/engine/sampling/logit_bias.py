"""Bias: numbers that a request adds to the logits of single tokens, before all penalties; -100 or less bans a token.

A row's result depends on that row alone.
"""

from array import array
from collections.abc import Sequence

import torch
from torch import Tensor

from inkwell.engine.contract import Sampling
from inkwell.engine.sampling.draw import Draw

_BAN = -100.0


def biased(logits: Tensor, draws: Sequence[Draw]) -> Tensor:
    """The logits [rows, vocab] with the biases added: a copy if any row has one, else what was given."""
    tokens, values, rows = array("q"), array("f"), array("q")
    for row, draw in enumerate(draws):
        if draw.sampling.logit_bias:
            ids, biases = zip(*draw.sampling.logit_bias, strict=True)
            tokens.extend(ids)
            values.extend(biases)
            rows.extend([row] * len(ids))
    if not rows:
        return logits
    place = tuple(torch.frombuffer(ids, dtype=torch.int64).to(logits.device) for ids in (rows, tokens))
    added = torch.frombuffer(values, dtype=torch.float32).to(logits.device)
    scores = logits.clone(memory_format=torch.contiguous_format)
    scores[place] += added.masked_fill(added <= _BAN, -torch.inf)
    return scores


def bans_all(sampling: Sampling, vocab_size: int) -> bool:
    """Whether no token is left to choose."""
    biases = sampling.logit_bias
    return len(biases) >= vocab_size and sum(bias <= _BAN for _, bias in biases) >= vocab_size
