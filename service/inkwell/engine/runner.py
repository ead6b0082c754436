"""Computes the logits of a plan: the only caller of the decoder. Does not know why these rows were chosen."""

from dataclasses import dataclass

import torch
from torch import Tensor

from inkwell.engine.contract import PromptEvent
from inkwell.engine.model.batch import Segment
from inkwell.engine.model.decoder import CausalLM
from inkwell.engine.model.kv_cache import KVCache
from inkwell.engine.sampling.prompt_logprobs import score
from inkwell.engine.scheduler import Plan
from inkwell.errors import InkwellError, InvalidLogits


@dataclass(frozen=True, slots=True)
class Computed:
    """The result of a step: float32 logits of the positions that need them, and scores of prompts."""

    logits: Tensor  # [positions, vocab]: the last `row.logit_count` positions of every row, in the order of the rows
    scores: tuple[PromptEvent, ...] = ()
    failures: tuple[tuple[int, InkwellError], ...] = ()  # keys of jobs whose prompt cannot be scored, and why


class Runner:
    """A decoder and its cache on one device."""

    def __init__(self, decoder: CausalLM, cache: KVCache) -> None:
        self._decoder = decoder
        self._cache = cache

    @torch.inference_mode()
    def run(self, plan: Plan) -> Computed:
        """Compute the plan's rows; the cache then holds their keys and values."""
        for copy in plan.copies:
            self._cache.copy(copy.source, copy.target, copy.length)
        segments = [Segment(row.sequence.slot, row.start, row.length) for row in plan.rows]
        tokens = [token for row in plan.rows for token in row.tokens]
        hidden = self._decoder(torch.tensor(tokens), segments, self._cache)  # [tokens, width]
        return Computed(self._logits(plan, hidden), *self._scores(plan, hidden))

    def _logits(self, plan: Plan, hidden: Tensor) -> Tensor:
        indices: list[int] = []
        end = 0
        for row in plan.rows:
            end += row.length
            indices += range(end - row.logit_count, end)
        if not indices:
            return hidden.new_empty(0, self._decoder.config.vocab_size, dtype=torch.float32)
        return self._decoder.logits(hidden[torch.tensor(indices, device=hidden.device)])

    def _scores(
        self, plan: Plan, hidden: Tensor
    ) -> tuple[tuple[PromptEvent, ...], tuple[tuple[int, InkwellError], ...]]:
        scores: list[PromptEvent] = []
        failures: list[tuple[int, InkwellError]] = []
        end = 0
        for row in plan.prefill:  # the first rows of the plan
            end += row.length
            if row.sequence.job.prompt_logprobs is None:
                continue
            try:
                scores += filter(None, [score(row, hidden[end - row.length : end], self._decoder.logits)])
            except InvalidLogits as error:
                failures.append((row.sequence.job.key, error))
        return tuple(scores), tuple(failures)
