"""Drafts by a smaller model of the same vocabulary, which computes the same texts in a cache of its own.

It draws with the random numbers that the large model will draw with, so where both compute the same probabilities they
choose the same token, at any temperature. Nothing that it computes enters a text: a wrong draft only costs time.
"""

import collections.abc
from dataclasses import dataclass, field

import torch
from torch import Tensor

from inkwell.engine.model.batch import Segment
from inkwell.engine.model.decoder import CausalLM
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.sampling.sampler import choose
from inkwell.engine.sampling.sampling_input import SamplingInput
from inkwell.engine.sequence import Sequence
from inkwell.engine.slots import common_length
from inkwell.engine.speculation.speculation import MAX_DRAFT_TOKENS, Drafter, DraftRequest

_MAX_UNREAD = MAX_DRAFT_TOKENS + 1  # tokens that one step may add; they are computed together with the first draft


@dataclass(slots=True)
class _Cached:
    """The contents of one slot of the draft model's cache."""

    cache_salt: str = ""
    tokens: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Draft:
    """A draft as it grows."""

    request: DraftRequest
    tokens: list[int] = field(default_factory=list)

    @property
    def sampling_input(self) -> SamplingInput:
        sequence = self.request.sequence
        generated = [*sequence.tokens[len(sequence.job.prompt) :], *self.tokens]
        return SamplingInput(sequence.job, generated)


class DraftModel(Drafter):
    """A decoder with as many cache slots as the large model has.

    `prefill_chunk` limits the tokens that it reads in one pass. `vocab_size` is that of the large model; the embedding
    of this one may have more rows, which are not tokens.
    """

    def __init__(self, decoder: CausalLM, cache: KVCache, slots: int, prefill_chunk: int, vocab_size: int) -> None:
        self._vocab_size = vocab_size
        self._decoder = decoder
        self._cache = cache
        self._cached = [_Cached() for _ in range(slots)]
        self._prefill_chunk = prefill_chunk

    def unread(self, sequence: Sequence) -> int:
        """How many tokens are left to read before it drafts; 0 for a sequence that it never drafts for."""
        missing = len(sequence.tokens) - len(self._known(sequence))
        return missing if missing > _MAX_UNREAD and self._supports(sequence, 1) else 0

    @torch.inference_mode()
    def read(self, sequences: collections.abc.Sequence[Sequence], room: int) -> int:
        """Read the next tokens in one pass; never a sequence's last token, whose hidden state the first draft needs."""
        parts: list[tuple[int, list[int]]] = []
        room = min(room, self._prefill_chunk)
        for sequence in sequences:
            start = len(self._known(sequence))
            tokens = sequence.tokens[start : min(start + room, len(sequence.tokens) - 1)]
            parts += [(sequence.slot, tokens)] if tokens else []
            room -= len(tokens)
        if parts:
            self._compute(parts)
        return sum(len(tokens) for _, tokens in parts)

    @torch.inference_mode()
    def propose(self, requests: collections.abc.Sequence[DraftRequest]) -> list[tuple[int, ...]]:
        """Drafts for sequences that it has read except for their latest tokens."""
        drafts = [_Draft(request) for request in requests]
        growing = [draft for draft in drafts if self._supports(draft.request.sequence, draft.request.count)]
        for draft in growing:
            self._known(draft.request.sequence)
        while growing:
            logits = self._advance(growing)
            for draft, token in zip(growing, choose(logits, [draft.sampling_input for draft in growing]), strict=True):
                draft.tokens.append(token)
            growing = [draft for draft in growing if len(draft.tokens) < draft.request.count]
        return [tuple(draft.tokens) for draft in drafts]

    def _supports(self, sequence: Sequence, count: int) -> bool:
        """Whether the sequence stays within this model's context and vocabulary, which may be smaller."""
        config = self._decoder.config
        return len(sequence.tokens) + count <= config.context and max(sequence.tokens) < config.vocab_size

    def _known(self, sequence: Sequence) -> list[int]:
        """The cached tokens of this sequence, without its last token; those of another sequence are forgotten."""
        cached = self._cached[sequence.slot]
        if cached.cache_salt != sequence.job.cache_salt:
            cached.cache_salt, cached.tokens = sequence.job.cache_salt, []
        limit = min(len(cached.tokens), len(sequence.tokens) - 1)
        del cached.tokens[common_length(cached.tokens, sequence.tokens, limit) :]
        return cached.tokens

    def _advance(self, drafts: collections.abc.Sequence[_Draft]) -> Tensor:
        """Compute each sequence and its draft to the end; logits of the next tokens [drafts, vocab]."""
        parts = []
        for draft in drafts:
            sequence = draft.request.sequence
            unread = [*sequence.tokens, *draft.tokens][len(self._cached[sequence.slot].tokens) :]
            parts.append((sequence.slot, unread))
        hidden = self._compute(parts)
        last = torch.tensor([len(tokens) for _, tokens in parts], device=hidden.device).cumsum(0) - 1
        return self._decoder.logits(hidden[last])[:, : self._vocab_size].nan_to_num()

    def _compute(self, parts: collections.abc.Sequence[tuple[int, list[int]]]) -> Tensor:
        """Hidden states [T, width] of tokens that follow the cached ones of their slots."""
        segments = [Segment(slot, len(self._cached[slot].tokens), len(tokens)) for slot, tokens in parts]
        tokens = torch.tensor([token for _, tokens in parts for token in tokens])
        hidden = self._decoder(tokens, segments, self._cache)
        for slot, read in parts:
            self._cached[slot].tokens += read
        return hidden
