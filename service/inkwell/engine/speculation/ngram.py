"""Drafts by prompt lookup: what followed the last time that the same few tokens stood at the end.

Costs no computation, and is right wherever a text repeats itself or its prompt: names, quotations, code, lists. After
Saxena, "Prompt Lookup Decoding" (2023). Knows one sequence's own tokens and nothing else. Plain Python.
"""

from collections.abc import Sequence as Tokens
from dataclasses import dataclass, field

LONGEST, SHORTEST = 4, 2  # tokens that must agree; longer ones are tried first because they are right more often


@dataclass(slots=True)
class NgramIndex:
    """Where each run of SHORTEST to LONGEST tokens of a sequence was last followed by something."""

    _follower: dict[tuple[int, ...], int] = field(default_factory=dict)  # a run -> the position behind it
    _indexed: int = 0  # runs that end before this position are in the table

    def draft(self, tokens: Tokens[int], count: int) -> tuple[int, ...]:
        """Up to `count` tokens that may follow `tokens`, which must begin with what was given before."""
        self._extend(tokens)
        for size in range(min(LONGEST, len(tokens) - 1), SHORTEST - 1, -1):
            position = self._follower.get(tuple(tokens[-size:]))
            if position is not None:
                return self._read(tokens, position, count)
        return ()

    def _extend(self, tokens: Tokens[int]) -> None:
        for end in range(max(self._indexed, SHORTEST), len(tokens)):  # the last run has no follower yet
            for size in range(SHORTEST, min(LONGEST, end) + 1):
                self._follower[tuple(tokens[end - size : end])] = end
        self._indexed = max(self._indexed, len(tokens))

    @staticmethod
    def _read(tokens: Tokens[int], position: int, count: int) -> tuple[int, ...]:
        """`count` tokens from `position` on; past the end it goes on with the draft itself, as a loop does."""
        draft: list[int] = []
        for place in range(position, position + count):
            draft.append(tokens[place] if place < len(tokens) else draft[place - len(tokens)])
        return tuple(draft)
