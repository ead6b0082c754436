"""Penalties on tokens that already occur in a text: repetition, presence, frequency.

The repetition penalty (Keskar et al., arXiv 1909.05858) also counts the prompt; it divides positive logits and
multiplies negative ones. Presence and frequency count generated tokens only: presence + n * frequency is subtracted
from the logit of a token that was generated n times. The result for a row depends on that row alone.
"""

from array import array
from collections import Counter

import torch
from torch import Tensor

from inkwell.engine.sampling.sampling_input import Rows


def apply_repetition_penalty(scores: Tensor, rows: Rows) -> None:
    """In place, on some rows of [rows, vocab]. A token that occurs twice is assigned the same value twice."""
    tokens, lengths = array("q"), []
    for _, item in rows:
        tokens.extend(item.job.prompt)
        tokens.extend(item.generated)
        lengths.append(len(item.job.prompt) + len(item.generated))
    if not tokens:
        return
    index = _row_numbers(scores, rows, lengths), torch.frombuffer(tokens, dtype=torch.int64).to(scores.device)
    factors = scores.new_tensor([item.sampling.repetition_penalty for _, item in rows])
    factor = factors.repeat_interleave(torch.tensor(lengths, device=scores.device))
    values = scores[index]
    scores[index] = torch.where(values < 0, values * factor, values / factor)


def apply_penalties(scores: Tensor, rows: Rows) -> None:
    """Presence and frequency, in place, on some rows of [rows, vocab]."""
    tokens, penalties, lengths = array("q"), array("f"), []
    for _, item in rows:
        counts, wanted = Counter(item.generated_in_context), item.sampling
        tokens.extend(counts)
        penalties.extend(wanted.presence_penalty + count * wanted.frequency_penalty for count in counts.values())
        lengths.append(len(counts))
    if not tokens:
        return
    index = _row_numbers(scores, rows, lengths), torch.frombuffer(tokens, dtype=torch.int64).to(scores.device)
    scores[index] -= torch.frombuffer(penalties, dtype=torch.float32).to(scores.device)


def _row_numbers(scores: Tensor, rows: Rows, lengths: list[int]) -> Tensor:
    """The number of each row, repeated once per token."""
    numbers = torch.tensor([number for number, _ in rows])
    return numbers.repeat_interleave(torch.tensor(lengths)).to(scores.device)
