"""transformers' continuous batching, whose manager runs in a thread of its own.

By default its cache is sized for a GPU; on a CPU it would take half of the machine's memory. Here the cache has room
for one whole context per row, as in Inkwell. Token times are those recorded by the manager, so that streaming costs it
nothing; the last token counts when the caller receives the result.
"""

import math
import os
import time
from typing import Any

from transformers import ContinuousBatchingConfig, GenerationConfig

from scripts.benchmark.exchange import Record, Request, TargetSpec
from scripts.benchmark.targets.transformers_generate import load

NO_END = -1
PAGE_TOKENS = 256  # the default
BATCH_TOKENS = 1024  # per step, so that a prompt of W2 takes one; the default of 8,192 needs masks of a gigabyte
POLL_S = 5.0  # interval at which a wait for results checks that the manager is running


class Batching:
    """The manager as a backend."""

    def __init__(self, spec: TargetSpec) -> None:
        model = load(spec)
        wanted = GenerationConfig(do_sample=False, eos_token_id=NO_END, pad_token_id=0)
        blocks = spec.rows * math.ceil(model.config.n_positions / PAGE_TOKENS)
        config = ContinuousBatchingConfig(
            page_size=PAGE_TOKENS, num_blocks=blocks, max_batch_tokens=BATCH_TOKENS, max_requests_per_batch=spec.rows
        )
        self._manager = model.init_continuous_batching(generation_config=wanted, continuous_batching_config=config)
        self._manager.start()
        self._pending: dict[str, Record] = {}
        self.started_s: float | None = None
        self.pids: tuple[int, ...] = (os.getpid(),)
        self.metadata: dict[str, Any] = {"attention": model.config._attn_implementation, "configuration": str(config)}

    def submit(self, key: int, request: Request, sent_s: float) -> None:
        self._pending[str(key)] = Record(key, request.role, sent_s)
        self._manager.add_request(
            list(request.prompt), str(key), max_new_tokens=request.new_tokens, record_timestamps=True,
            eos_token_id=NO_END,
        )  # fmt: skip

    def poll(self, timeout_s: float | None) -> list[Record]:
        if not self._pending:
            time.sleep(timeout_s or 0)
            return []
        result = self._manager.get_result(timeout=POLL_S if timeout_s is None else timeout_s)
        if result is None:
            return [] if self._manager.is_running() else self._fail_pending()
        record = self._pending.pop(result.request_id)
        for moment_s in (result.timestamps or [])[:-1]:
            record.add(moment_s, 1)
        record.add(time.monotonic(), 1)
        record.output = list(result.generated_tokens)
        record.error = result.error
        return [record]

    def _fail_pending(self) -> list[Record]:
        lost, self._pending = list(self._pending.values()), {}
        for record in lost:
            record.error = f"the manager ended: {self._manager.background_thread_status.fatal_error!r}"
        return lost

    def close(self) -> None:
        self._manager.stop(block=True, timeout=30)


def open_backend(spec: TargetSpec) -> Batching:
    return Batching(spec)
