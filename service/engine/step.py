"""`Step`: one pass through the layers, laid out for the tensors.

Takes spans, gives where each token is written, what each may see and how it is turned. Knows no weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from service.engine.linear import ROWS_TOGETHER
from service.engine.span import Span


@dataclass(frozen=True, slots=True)
class Row:
    """One span: where its tokens stand among the step's, and what each of them may see."""

    span: Span
    tokens: slice
    mask: Tensor | None  # [length, end], True = visible; None for a single token and for a span from position 0


@dataclass(frozen=True, slots=True)
class Step:
    """What all layers share."""

    rows: tuple[Row, ...]
    slots: Tensor  # [T], the cache slot of every token
    positions: Tensor  # [T], its position there
    angles: tuple[Tensor, Tensor] | None = None  # rotary cosine and sine; None for learned positions


def groups_of(spans: Sequence[Span]) -> list[list[Span]]:
    """Cut a batch into the passes that it takes: single tokens together, longer spans each by itself.

    So the shape of every product depends either on one sequence alone or on nothing but ROWS_TOGETHER.
    """
    groups: list[list[Span]] = []
    for span in spans:
        if groups and span.length == 1 == groups[-1][-1].length and len(groups[-1]) < ROWS_TOGETHER:
            groups[-1].append(span)
        else:
            groups.append([span])
    return groups


def step_of(spans: Sequence[Span], device: torch.device) -> Step:
    """Lay the spans end to end."""
    rows, slots, positions, begin = [], [], [], 0
    for span in spans:
        rows.append(Row(span, slice(begin, begin + span.length), _mask(span, device)))
        slots += [span.slot] * span.length
        positions += range(span.start, span.end)
        begin += span.length
    places = torch.tensor([slots, positions], device=device)
    return Step(tuple(rows), places[0], places[1])


def _mask(span: Span, device: torch.device) -> Tensor | None:
    #  start = 3, length = 2:   cached | new
    #                           1 1 1  | 1 0
    #                           1 1 1  | 1 1
    if span.length == 1 or span.start == 0:
        return None
    return torch.ones(span.length, span.end, dtype=torch.bool, device=device).tril(diagonal=span.start)
