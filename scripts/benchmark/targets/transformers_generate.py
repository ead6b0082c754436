"""transformers `generate`, one request at a time in the order of arrival: a plain service behind a fair lock."""

import os
import time
from collections import deque
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.generation.streamers import BaseStreamer

from scripts.benchmark.exchange import Order, Record, Request


class Stamps(BaseStreamer):
    """Notes when each token came; the first call brings the prompt."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        if self._prompt_seen:
            self._record.add(time.monotonic(), value.numel())
        self._prompt_seen = True

    def end(self) -> None:
        """Nothing is held back."""


class Generate:
    """The model as a backend: every poll is one whole request."""

    def __init__(self, order: Order) -> None:
        self._model = load(order)
        self._waiting: deque[tuple[Request, Record]] = deque()
        self.started_s: float | None = None
        self.pids = (os.getpid(),)
        self.facts: dict[str, Any] = {"attention": self._model.config._attn_implementation}

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
                pad_token_id=0, streamer=Stamps(record),
            )  # fmt: skip
            record.output = output[0, ids.shape[1] :].tolist()
        except Exception as error:  # whatever the peer raises is told as its failure
            record.error = repr(error)
        return [record]

    def close(self) -> None:
        """Nothing was started."""


def load(order: Order) -> Any:
    """The model of the order on the CPU, ready to generate."""
    if order.threads:
        torch.set_num_threads(order.threads)
    model = AutoModelForCausalLM.from_pretrained(order.folder, dtype=getattr(torch, order.dtype))
    return model.eval()


def open_backend(order: Order) -> Generate:
    return Generate(order)
