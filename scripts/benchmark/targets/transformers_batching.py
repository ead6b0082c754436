"""transformers' continuous batching: its manager with a thread of its own.

By its defaults it sizes its cache for a GPU: on a CPU half of the machine's memory. It is given room for as many whole
contexts as rows, like Inkwell. The moments of the tokens are those that the manager itself records, so no stream costs
it anything; the last token counts when the result is in the caller's hands.
"""

import math
import os
import time
from typing import Any

from transformers import ContinuousBatchingConfig, GenerationConfig

from scripts.benchmark.exchange import Order, Record, Request
from scripts.benchmark.targets.transformers_generate import load

NO_END = -1
PAGE_TOKENS = 256  # its default
BATCH_TOKENS = 1024  # of one step, so that a prompt of W2 is one; its default of 8,192 takes masks of a gigabyte
LOOK_S = 5.0  # how often a wait for results looks whether the manager lives


class Batching:
    """The manager as a backend."""

    def __init__(self, order: Order) -> None:
        model = load(order)
        wanted = GenerationConfig(do_sample=False, eos_token_id=NO_END, pad_token_id=0)
        blocks = order.rows * math.ceil(model.config.n_positions / PAGE_TOKENS)
        config = ContinuousBatchingConfig(
            page_size=PAGE_TOKENS, num_blocks=blocks, max_batch_tokens=BATCH_TOKENS, max_requests_per_batch=order.rows
        )
        self._manager = model.init_continuous_batching(generation_config=wanted, continuous_batching_config=config)
        self._manager.start()
        self._open: dict[str, Record] = {}
        self.started_s: float | None = None
        self.pids = (os.getpid(),)
        self.facts: dict[str, Any] = {"attention": model.config._attn_implementation, "configuration": str(config)}

    def submit(self, key: int, request: Request, sent_s: float) -> None:
        self._open[str(key)] = Record(key, request.role, sent_s)
        self._manager.add_request(
            list(request.prompt), str(key), max_new_tokens=request.new_tokens, record_timestamps=True,
            eos_token_id=NO_END,
        )  # fmt: skip

    def poll(self, timeout_s: float | None) -> list[Record]:
        if not self._open:
            time.sleep(timeout_s or 0)
            return []
        result = self._manager.get_result(timeout=LOOK_S if timeout_s is None else timeout_s)
        if result is None:
            return [] if self._manager.is_running() else self._lost()
        record = self._open.pop(result.request_id)
        for moment_s in (result.timestamps or [])[:-1]:
            record.add(moment_s, 1)
        record.add(time.monotonic(), 1)
        record.output = list(result.generated_tokens)
        record.error = result.error
        return [record]

    def _lost(self) -> list[Record]:
        lost, self._open = list(self._open.values()), {}
        for record in lost:
            record.error = f"the manager ended: {self._manager.background_thread_status.fatal_error!r}"
        return lost

    def close(self) -> None:
        self._manager.stop(block=True, timeout=30)


def open_backend(order: Order) -> Batching:
    return Batching(order)
