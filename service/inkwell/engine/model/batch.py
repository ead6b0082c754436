"""`Segment` and `Batch`: what one pass through the layers computes, laid out for the tensors.

Takes segments, returns where each token is written, what it may attend to and how it is rotated. Knows no weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from inkwell.engine.model.linear import MAX_SHARED_ROWS

MIN_BUCKET_LENGTH = 128  # positions; attention over fewer is no faster, and every length needs a CUDA graph of its own


@dataclass(frozen=True, slots=True)
class Segment:
    """Positions `start .. end - 1` of the sequence in cache slot `slot`, computed in one step.

    A whole prompt, a chunk of one, and a single decode step differ only in their length.
    """

    slot: int
    start: int
    length: int

    def __post_init__(self) -> None:
        assert self.slot >= 0 and self.start >= 0 and self.length >= 1, self

    @property
    def end(self) -> int:
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class PlacedSegment:
    """A segment, where its tokens are in the batch, and what each of them may attend to."""

    segment: Segment
    tokens: slice
    mask: Tensor | None  # [length, end], True = visible; None for a single token and for a segment from position 0


@dataclass(frozen=True, slots=True)
class PaddedContext:
    """What single tokens of several sequences attend to, in tensors whose shapes are independent of the lengths."""

    positions: Tensor  # [rows, bucket]: 0, 1, 2 and so on, limited to the row's own position
    mask: Tensor  # [rows, 1, 1, bucket], True = visible


@dataclass(frozen=True, slots=True)
class Batch:
    """What all layers share in one pass."""

    placed: tuple[PlacedSegment, ...]
    slots: Tensor  # [T], the cache slot of every token
    positions: Tensor  # [T], its position there
    segments: Tensor | None  # [segments, 4] for the native kernels: slot, start, length, first token
    angles: tuple[Tensor, Tensor] | None = None  # rotary cosine and sine; None for learned positions
    padded: PaddedContext | None = None  # for single tokens that are computed together; `placed` is empty then
    _elsewhere: dict[torch.device, "Batch"] = field(init=False, default_factory=dict, compare=False, repr=False)

    def to(self, device: torch.device, non_blocking: bool = False) -> "Batch":
        """The same on another device, kept for the next block there; called by accelerate's hooks."""
        if device == self.positions.device:
            return self
        if device not in self._elsewhere:
            self._elsewhere[device] = _moved(self, device)
        return self._elsewhere[device]


def split_segments(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Split a step into passes: single tokens together, each longer segment by itself.

    The shape of every matrix product then depends either on one sequence alone or only on MAX_SHARED_ROWS.
    """
    groups: list[list[Segment]] = []
    for segment in segments:
        if groups and segment.length == 1 == groups[-1][-1].length and len(groups[-1]) < MAX_SHARED_ROWS:
            groups[-1].append(segment)
        else:
            groups.append([segment])
    return groups


def native_batch(segments: Sequence[Segment]) -> Batch:
    """The concatenated segments, for the native kernels, which need no masks."""
    slots, positions = _token_places(segments)
    return Batch((), torch.tensor(slots), torch.tensor(positions), segment_table(segments))


def segment_table(segments: Sequence[Segment]) -> Tensor:
    """[segments, 4] as the native kernels read them: slot, first position, length, index of the first token."""
    table, begin = [], 0
    for segment in segments:
        table.append((segment.slot, segment.start, segment.length, begin))
        begin += segment.length
    return torch.tensor(table)


def single_token_batch(slots: Tensor, positions: Tensor, bucket: int) -> Batch:
    """One token of each of several sequences, in slots [rows] at positions [rows], which must be below `bucket`.

    Reads nothing back to the host, and shapes depend only on [rows] and `bucket`, so that a CUDA graph can record it.
    After its own position, a row reads that position again, masked: the cache is stale there, and 0 * nan is nan.
    """
    places = torch.arange(bucket, device=positions.device)
    own = positions.unsqueeze(1)
    visible = places <= own  # [rows, bucket]
    padded = PaddedContext(torch.minimum(places, own), visible[:, None, None])
    return Batch((), slots, positions, None, padded=padded)


def bucket_length(longest: int, context: int) -> int:
    """The smallest of a few lengths, powers of two and the context, that covers `longest` positions."""
    assert 0 < longest <= context, (longest, context)
    return min(context, max(MIN_BUCKET_LENGTH, 1 << (longest - 1).bit_length()))


def ragged_batch(segments: Sequence[Segment], device: torch.device) -> Batch:
    """The concatenated segments, for torch, with a mask for each."""
    placed, begin = [], 0
    for segment in segments:
        placed.append(PlacedSegment(segment, slice(begin, begin + segment.length), _mask(segment, device)))
        begin += segment.length
    places = torch.tensor(_token_places(segments), device=device)  # [2, T]
    return Batch(tuple(placed), places[0], places[1], None)


def _token_places(segments: Sequence[Segment]) -> tuple[list[int], list[int]]:
    """The slot and the position of every token."""
    slots: list[int] = []
    positions: list[int] = []
    for segment in segments:
        slots += [segment.slot] * segment.length
        positions += range(segment.start, segment.end)
    return slots, positions


def _moved(batch: Batch, device: torch.device) -> Batch:
    placed = tuple(replace(item, mask=None if item.mask is None else item.mask.to(device)) for item in batch.placed)
    angles = None if batch.angles is None else (batch.angles[0].to(device), batch.angles[1].to(device))
    padded = batch.padded
    padded = None if padded is None else PaddedContext(padded.positions.to(device), padded.mask.to(device))
    slots, positions = batch.slots.to(device), batch.positions.to(device)
    return replace(batch, placed=placed, slots=slots, positions=positions, angles=angles, padded=padded)


def _mask(segment: Segment, device: torch.device) -> Tensor | None:
    #  start = 3, length = 2:   cached | new
    #                           1 1 1  | 1 0
    #                           1 1 1  | 1 1
    if segment.length == 1 or segment.start == 0:
        return None
    return torch.ones(segment.length, segment.end, dtype=torch.bool, device=device).tril(diagonal=segment.start)
