"""Drafts by a smaller model of the same vocabulary, which reads along in a cache of its own.

It draws with the random numbers that the large model will draw with, so where the two agree on the probabilities they
agree on the token, at any temperature. Nothing that it computes reaches a text: a wrong draft costs time and no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from service.engine.decoder import Decoder
from service.engine.kv_cache import KVCache
from service.engine.sampler import Draw, choose
from service.engine.slots import common_length
from service.engine.span import Span
from service.engine.speculation import Wish


@dataclass(slots=True)
class _Read:
    """What the draft's cache holds in one slot."""

    salt: str = ""
    tokens: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Draft:
    """A draft as it grows."""

    wish: Wish
    tokens: list[int] = field(default_factory=list)

    @property
    def draw(self) -> Draw:
        sequence = self.wish.sequence
        generated = [*sequence.tokens[len(sequence.job.prompt) :], *self.tokens]
        return Draw(sequence.job.sampling, sequence.job.prompt, generated)


class DraftModel:
    """A decoder with as many cache slots as the large one has.

    `piece` bounds the tokens that it reads at once. `vocab_size` is the large model's: this one may have more rows,
    which stand for no token.
    """

    def __init__(self, decoder: Decoder, cache: KVCache, slots: int, piece: int, vocab_size: int) -> None:
        self._vocab_size = vocab_size
        self._decoder = decoder
        self._cache = cache
        self._read = [_Read() for _ in range(slots)]
        self._piece = piece

    @torch.inference_mode()
    def propose(self, wishes: Sequence[Wish]) -> list[tuple[int, ...]]:
        """Drafts for those whose texts it has read; of the others it reads a piece, and drafts in a later step."""
        drafts = [_Draft(wish) for wish in wishes]
        growing = [draft for draft in drafts if self._fits(draft) and self._catch_up(draft.wish)]
        while growing:
            logits = self._advance(growing)
            for draft, token in zip(growing, choose(logits, [draft.draw for draft in growing]), strict=True):
                draft.tokens.append(token)
            growing = [draft for draft in growing if len(draft.tokens) < draft.wish.count]
        return [tuple(draft.tokens) for draft in drafts]

    def _fits(self, draft: _Draft) -> bool:
        """Whether the sequence stays within the small model's context and vocabulary, which may be a little smaller."""
        sequence, config = draft.wish.sequence, self._decoder.config
        return len(sequence.tokens) + draft.wish.count <= config.context and max(sequence.tokens) < config.vocab_size

    def _catch_up(self, wish: Wish) -> bool:
        """Keep of the slot what belongs to this sequence, and read on; whether few enough tokens are left to draft."""
        sequence = wish.sequence
        read = self._read[sequence.slot]
        if read.salt != sequence.job.salt:
            read.salt, read.tokens = sequence.job.salt, []
        del read.tokens[common_length(read.tokens, sequence.tokens, min(len(read.tokens), len(sequence.tokens) - 1)) :]
        start = len(read.tokens)
        if len(sequence.tokens) - start <= self._piece:
            return True
        self._compute([(sequence.slot, sequence.tokens[start : start + self._piece])])
        return False

    def _advance(self, drafts: Sequence[_Draft]) -> Tensor:
        """Read each sequence and its draft to the end; logits behind it [drafts, vocab]."""
        pieces = []
        for draft in drafts:
            sequence = draft.wish.sequence
            unread = [*sequence.tokens, *draft.tokens][len(self._read[sequence.slot].tokens) :]
            pieces.append((sequence.slot, unread))
        hidden = self._compute(pieces)
        last = torch.tensor([len(tokens) for _, tokens in pieces], device=hidden.device).cumsum(0) - 1
        return self._decoder.logits(hidden[last])[:, : self._vocab_size].nan_to_num()

    def _compute(self, pieces: Sequence[tuple[int, list[int]]]) -> Tensor:
        """Hidden states [T, width] of tokens that follow what was read in their slots."""
        spans = [Span(slot, len(self._read[slot].tokens), len(tokens)) for slot, tokens in pieces]
        hidden = self._decoder(torch.tensor([token for _, tokens in pieces for token in tokens]), spans, self._cache)
        for slot, tokens in pieces:
            self._read[slot].tokens += tokens
        return hidden
