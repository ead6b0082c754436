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
        """Logits of the last position of every row of the plan: [rows, vocab] float32."""
        spans = [Span(row.sequence.slot, row.start, row.length) for row in plan.rows]
        tokens = [token for row in plan.rows for token in row.sequence.tokens[row.start : row.start + row.length]]
        hidden = self._decoder(torch.tensor(tokens), spans, self._cache)  # [tokens, width]
        last = torch.tensor([row.length for row in plan.rows], device=hidden.device).cumsum(0) - 1
        return self._decoder.logits(hidden[last])
