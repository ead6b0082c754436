"""transformers `generate`, one request at a time in order of arrival, like a simple service with a fair lock."""

import os
import time
from collections import deque
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.generation.streamers import BaseStreamer

from scripts.benchmark.exchange import Record, Request, TargetSpec


class TokenTimer(BaseStreamer):
    """Records when each token arrives; the first call delivers the prompt."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        if self._prompt_seen:
            self._record.add(time.monotonic(), value.numel())
        self._prompt_seen = True

    def end(self) -> None:
        """Nothing is buffered."""


class Generate:
    """The model as a backend; each poll is one whole request."""

    def __init__(self, spec: TargetSpec) -> None:
        self._model = load(spec)
        self._waiting: deque[tuple[Request, Record]] = deque()
        self.started_s: float | None = None
        self.pids: tuple[int, ...] = (os.getpid(),)
        self.metadata: dict[str, Any] = {"attention": self._model.config._attn_implementation}

    def submit(self, key: int, request: Request, sent_s: float) -> None:
        self._waiting.append((request, Record(key, request.role, sent_s)))

    def poll(self, timeout_s: float | None) -> list[Record]:
        if not self._waiting:
            time.sleep(timeout_s or 0)
            return []
        request, record = self._waiting.popleft()
        ids = torch.tensor([request.prompt])  # [1, tokens]
        try:
            output = self._model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=request.new_tokens, do_sample=False,
                pad_token_id=0, streamer=TokenTimer(record),
            )  # fmt: skip
            record.output = output[0, ids.shape[1] :].tolist()
        except Exception as error:  # any exception is reported as the failure of this request
            record.error = repr(error)
        return [record]

    def close(self) -> None:
        """Nothing was started."""


def load(spec: TargetSpec) -> Any:
    """Load the model on the CPU, ready to generate."""
    if spec.threads:
        torch.set_num_threads(spec.threads)
    model = AutoModelForCausalLM.from_pretrained(spec.folder, dtype=getattr(torch, spec.dtype))
    return model.eval()


def open_backend(spec: TargetSpec) -> Generate:
    return Generate(spec)
