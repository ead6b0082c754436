"""Drafts by prompt lookup: the tokens that followed the last time the same few tokens occurred.

Costs no model computation, and is often right where a text repeats itself or its prompt: names, quotations, code,
lists. After Saxena, "Prompt Lookup Decoding" (2023). Reads only the sequence's own tokens. Plain Python.
"""

import collections.abc
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from inkwell.engine.sequence import Sequence
from inkwell.engine.speculation.speculation import Drafter, DraftRequest

MAX_NGRAM, MIN_NGRAM = 4, 2  # tokens that must match; longer n-grams are tried first, because they are right more often


@dataclass(slots=True)
class NgramIndex:
    """Where each n-gram of MIN_NGRAM to MAX_NGRAM tokens of one sequence last occurred."""

    _follower: dict[tuple[int, ...], int] = field(default_factory=dict)  # an n-gram -> the position after it
    _indexed: int = 0  # n-grams that end before this position are in the table

    def draft(self, tokens: collections.abc.Sequence[int], count: int) -> tuple[int, ...]:
        """Up to `count` tokens that may follow `tokens`, which must begin with the tokens of earlier calls."""
        self._extend(tokens)
        for size in range(min(MAX_NGRAM, len(tokens) - 1), MIN_NGRAM - 1, -1):
            position = self._follower.get(tuple(tokens[-size:]))
            if position is not None:
                return self._read(tokens, position, count)
        return ()

    def _extend(self, tokens: collections.abc.Sequence[int]) -> None:
        for end in range(max(self._indexed, MIN_NGRAM), len(tokens)):  # nothing follows the last n-gram yet
            for size in range(MIN_NGRAM, min(MAX_NGRAM, end) + 1):
                self._follower[tuple(tokens[end - size : end])] = end
        self._indexed = max(self._indexed, len(tokens))

    @staticmethod
    def _read(tokens: collections.abc.Sequence[int], position: int, count: int) -> tuple[int, ...]:
        """`count` tokens from `position` on; past the end it continues with the draft itself, as in a repetition."""
        draft: list[int] = []
        for index in range(position, position + count):
            draft.append(tokens[index] if index < len(tokens) else draft[index - len(tokens)])
        return tuple(draft)


class NgramDrafter(Drafter):
    """Prompt lookup for every sequence, with an index that grows with the text."""

    def __init__(self) -> None:
        self._indices: WeakKeyDictionary[Sequence, NgramIndex] = (
            WeakKeyDictionary()
        )  # entries vanish with their sequences

    def propose(self, requests: collections.abc.Sequence[DraftRequest]) -> list[tuple[int, ...]]:
        return [self._index(request.sequence).draft(request.sequence.tokens, request.count) for request in requests]

    def _index(self, sequence: Sequence) -> NgramIndex:
        return self._indices.setdefault(sequence, NgramIndex())
