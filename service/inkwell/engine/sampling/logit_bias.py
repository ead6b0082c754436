"""Logit bias: a request adds numbers to the logits of some tokens; -100 or less bans a token.

The result for a row depends on that row alone.
"""

from array import array

import torch
from torch import Tensor

from inkwell.engine.sampling.sampling_input import Rows
from inkwell.errors import InvalidParameter
from inkwell.parameters.sampling import Sampling

_BAN = -100.0


def apply_logit_bias(scores: Tensor, rows: Rows) -> None:
    """In place, on some rows of [rows, vocab]."""
    tokens, values, numbers = array("q"), array("f"), array("q")
    for number, item in rows:
        ids, biases = zip(*item.sampling.logit_bias, strict=True)
        tokens.extend(ids)
        values.extend(biases)
        numbers.extend([number] * len(ids))
    index = tuple(torch.frombuffer(ids, dtype=torch.int64).to(scores.device) for ids in (numbers, tokens))
    added = torch.frombuffer(values, dtype=torch.float32).to(scores.device)
    scores[index] += added.masked_fill(added <= _BAN, -torch.inf)


def all_banned(sampling: Sampling, vocab_size: int) -> InvalidParameter | None:
    """The error for a request that bans every token of the model."""
    biases = sampling.logit_bias
    if len(biases) < vocab_size or sum(bias <= _BAN for _, bias in biases) < vocab_size:
        return None
    return InvalidParameter(f"logit_bias bans all {vocab_size} tokens of the model", param="logit_bias")
