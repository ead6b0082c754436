"""Turns a plan into logits: the only caller of the decoder. It does not know why these rows were chosen."""

import torch
from torch import Tensor

from service.engine.decoder import Decoder
from service.engine.kv_cache import KVCache
from service.engine.scheduler import Plan
from service.engine.span import Span


class Runner:
    """A decoder and its cache on one device."""

    def __init__(self, decoder: Decoder, cache: KVCache) -> None:
        self._decoder = decoder
        self._cache = cache

    @torch.inference_mode()
    def run(self, plan: Plan) -> Tensor:
        """Logits [wanted, vocab] float32 of the last `row.wanted` positions of every row, in the order of the rows."""
        for copy in plan.copies:
            self._cache.copy(copy.source, copy.target, copy.length)
        spans = [Span(row.sequence.slot, row.start, row.length) for row in plan.rows]
        tokens = [token for row in plan.rows for token in row.tokens]
        hidden = self._decoder(torch.tensor(tokens), spans, self._cache)  # [tokens, width]
        places, end = [], 0
        for row in plan.rows:
            end += row.length
            places += range(end - row.wanted, end)
        if not places:
            return hidden.new_empty(0, self._decoder.config.vocab_size, dtype=torch.float32)
        return self._decoder.logits(hidden[torch.tensor(places, device=hidden.device)])
