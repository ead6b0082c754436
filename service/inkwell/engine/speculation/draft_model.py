"""Drafts by a smaller model of the same vocabulary, which reads along in a cache of its own.

It draws with the random numbers that the large model will draw with, so where the two agree on the probabilities they
agree on the token, at any temperature. Nothing that it computes reaches a text: a wrong draft costs time and no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from inkwell.engine.model.decoder import Decoder
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.model.span import Span
from inkwell.engine.sampling.sampler import choose
from inkwell.engine.sampling.sampling_input import SamplingInput
from inkwell.engine.sequence import Sequence as Tokens
from inkwell.engine.slots import common_length
from inkwell.engine.speculation.speculation import LONGEST_DRAFT, Drafter, Wish

_NEAR = LONGEST_DRAFT + 1  # tokens that one step may bring; they are read together with the first drafted one


@dataclass(slots=True)
class _Read:
    """What the draft's cache holds in one slot."""

    cache_salt: str = ""
    tokens: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Draft:
    """A draft as it grows."""

    wish: Wish
    tokens: list[int] = field(default_factory=list)

    @property
    def sampling_input(self) -> SamplingInput:
        sequence = self.wish.sequence
        generated = [*sequence.tokens[len(sequence.job.prompt) :], *self.tokens]
        return SamplingInput(sequence.job, generated)


class DraftModel(Drafter):
    """A decoder with as many cache slots as the large one has.

    `piece` bounds the tokens that it reads in one pass. `vocab_size` is the large model's: this one may have more rows,
    which stand for no token.
    """

    def __init__(self, decoder: Decoder, cache: KVCache, slots: int, piece: int, vocab_size: int) -> None:
        self._vocab_size = vocab_size
        self._decoder = decoder
        self._cache = cache
        self._read = [_Read() for _ in range(slots)]
        self._piece = piece

    def unread(self, sequence: Tokens) -> int:
        """How many tokens are left to read before it drafts; 0 for a sequence about which it keeps silent."""
        missing = len(sequence.tokens) - len(self._known(sequence))
        return missing if missing > _NEAR and self._fits(sequence, 1) else 0

    @torch.inference_mode()
    def read(self, sequences: Sequence[Tokens], room: int) -> int:
        """Read on in one pass; never a sequence's last token, whose hidden state the first draft needs."""
        pieces: list[tuple[int, list[int]]] = []
        room = min(room, self._piece)
        for sequence in sequences:
            start = len(self._known(sequence))
            tokens = sequence.tokens[start : min(start + room, len(sequence.tokens) - 1)]
            pieces += [(sequence.slot, tokens)] if tokens else []
            room -= len(tokens)
        if pieces:
            self._compute(pieces)
        return sum(len(tokens) for _, tokens in pieces)

    @torch.inference_mode()
    def propose(self, wishes: Sequence[Wish]) -> list[tuple[int, ...]]:
        """Drafts for sequences that it has read, but for their latest tokens."""
        drafts = [_Draft(wish) for wish in wishes]
        growing = [draft for draft in drafts if self._fits(draft.wish.sequence, draft.wish.count)]
        for draft in growing:
            self._known(draft.wish.sequence)
        while growing:
            logits = self._advance(growing)
            for draft, token in zip(growing, choose(logits, [draft.sampling_input for draft in growing]), strict=True):
                draft.tokens.append(token)
            growing = [draft for draft in growing if len(draft.tokens) < draft.wish.count]
        return [tuple(draft.tokens) for draft in drafts]

    def _fits(self, sequence: Tokens, count: int) -> bool:
        """Whether the sequence stays within the small model's context and vocabulary, which may be a little smaller."""
        config = self._decoder.config
        return len(sequence.tokens) + count <= config.context and max(sequence.tokens) < config.vocab_size

    def _known(self, sequence: Tokens) -> list[int]:
        """What the slot holds of this sequence, but for its last token; what belongs to another is forgotten."""
        read = self._read[sequence.slot]
        if read.cache_salt != sequence.job.cache_salt:
            read.cache_salt, read.tokens = sequence.job.cache_salt, []
        del read.tokens[common_length(read.tokens, sequence.tokens, min(len(read.tokens), len(sequence.tokens) - 1)) :]
        return read.tokens

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
