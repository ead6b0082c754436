"""`Step`: one pass through the layers, laid out for the tensors.

Takes spans, gives where each token is written, what each may see and how it is turned. Knows no weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from inkwell.engine.model.linear import ROWS_TOGETHER
from inkwell.engine.model.span import Span

LEAST_REACH = 128  # positions; attention over fewer is no faster, and every length is a graph of its own


@dataclass(frozen=True, slots=True)
class Row:
    """One span: where its tokens stand among the step's, and what each of them may see."""

    span: Span
    tokens: slice
    mask: Tensor | None  # [length, end], True = visible; None for a single token and for a span from position 0


@dataclass(frozen=True, slots=True)
class Reach:
    """What single tokens of several sequences see, as tensors whose shapes do not tell how long the sequences are."""

    positions: Tensor  # [rows, reach]: 0, 1, 2 and so on, and from the row's own position on always that one
    mask: Tensor  # [rows, 1, 1, reach], True = visible


@dataclass(frozen=True, slots=True)
class Step:
    """What all layers share."""

    rows: tuple[Row, ...]
    slots: Tensor  # [T], the cache slot of every token
    positions: Tensor  # [T], its position there
    spans: Tensor | None  # [spans, 4] for the native kernels: slot, start, length, first token
    angles: tuple[Tensor, Tensor] | None = None  # rotary cosine and sine; None for learned positions
    reach: Reach | None = None  # of a step of single tokens that are computed together; there are no rows then
    _elsewhere: dict[torch.device, "Step"] = field(init=False, default_factory=dict, compare=False, repr=False)

    def to(self, device: torch.device, non_blocking: bool = False) -> "Step":
        """The same on another device, by the signature that accelerate's hooks call; kept for the next block there."""
        if device == self.positions.device:
            return self
        if device not in self._elsewhere:
            self._elsewhere[device] = _moved(self, device)
        return self._elsewhere[device]


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


def native_step(spans: Sequence[Span]) -> Step:
    """Lay the spans end to end; the kernels need neither masks nor rows."""
    slots, positions = [], []
    for span in spans:
        slots += [span.slot] * span.length
        positions += range(span.start, span.end)
    return Step((), torch.tensor(slots), torch.tensor(positions), span_table(spans))


def span_table(spans: Sequence[Span]) -> Tensor:
    """[spans, 4] as the native kernels read them: slot, first position, length, place of the first token."""
    table, begin = [], 0
    for span in spans:
        table.append((span.slot, span.start, span.length, begin))
        begin += span.length
    return torch.tensor(table)


def token_step(slots: Tensor, positions: Tensor, reach: int) -> Step:
    """One token each of several sequences, in slots [rows] at positions [rows], which must be below `reach`.

    Reads nothing back to the host and has no shape but [rows] and `reach`, so that a graph can record it. Behind its
    own position a row is shown that position again, masked: what a slot holds there is stale, and 0 * nan is nan.
    """
    places = torch.arange(reach, device=positions.device)
    own = positions.unsqueeze(1)
    visible = places <= own  # [rows, reach]
    return Step((), slots, positions, None, reach=Reach(torch.minimum(places, own), visible[:, None, None]))


def reach_for(longest: int, context: int) -> int:
    """The smallest of a few lengths, powers of two and the context, that covers `longest` positions."""
    assert 0 < longest <= context, (longest, context)
    return min(context, max(LEAST_REACH, 1 << (longest - 1).bit_length()))


def step_of(spans: Sequence[Span], device: torch.device) -> Step:
    """Lay the spans end to end."""
    rows, slots, positions, begin = [], [], [], 0
    for span in spans:
        rows.append(Row(span, slice(begin, begin + span.length), _mask(span, device)))
        slots += [span.slot] * span.length
        positions += range(span.start, span.end)
        begin += span.length
    places = torch.tensor([slots, positions], device=device)
    return Step(tuple(rows), places[0], places[1], None)


def _moved(step: Step, device: torch.device) -> Step:
    rows = tuple(replace(row, mask=None if row.mask is None else row.mask.to(device)) for row in step.rows)
    angles = None if step.angles is None else (step.angles[0].to(device), step.angles[1].to(device))
    reach = None if step.reach is None else Reach(step.reach.positions.to(device), step.reach.mask.to(device))
    places = step.slots.to(device), step.positions.to(device)
    return replace(step, rows=rows, slots=places[0], positions=places[1], angles=angles, reach=reach)


def _mask(span: Span, device: torch.device) -> Tensor | None:
    #  start = 3, length = 2:   cached | new
    #                           1 1 1  | 1 0
    #                           1 1 1  | 1 1
    if span.length == 1 or span.start == 0:
        return None
    return torch.ones(span.length, span.end, dtype=torch.bool, device=device).tril(diagonal=span.start)
