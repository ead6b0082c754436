"""The OpenVINO GenAI pipeline with continuous batching, in process; runs in an environment of its own.

Everything is left at its defaults but the number of sequences of a step. Imports nothing but the standard library,
openvino and openvino_genai.
"""

import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino
import openvino_genai

from scripts.benchmark.exchange import Order, Record, Request


@dataclass(slots=True)
class Open:
    """A request that is not complete: its record, its handle, and the ids so far."""

    record: Record
    handle: Any
    output: list[int]
    wanted: int


class OpenVino:
    """The pipeline as a backend: every poll is one step."""

    def __init__(self, order: Order) -> None:
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.max_num_seqs = order.rows
        properties = {"INFERENCE_NUM_THREADS": order.threads} if order.threads else {}
        self._pipeline = openvino_genai.ContinuousBatchingPipeline(order.folder, scheduler, "CPU", properties)
        self._open: dict[int, Open] = {}
        self._number = 0  # the pipeline wants a new id for every request
        self.started_s: float | None = None
        self.pids = (os.getpid(),)
        self.facts: dict[str, Any] = {"openvino_genai": openvino_genai.__version__, "openvino": openvino.__version__}

    def submit(self, key: int, request: Request, sent_s: float) -> None:
        config = openvino_genai.GenerationConfig(max_new_tokens=request.new_tokens, do_sample=False, ignore_eos=True)
        ids = openvino.Tensor(np.array([request.prompt], dtype=np.int64))
        self._number += 1
        handle = self._pipeline.add_request(self._number, ids, config)
        self._open[key] = Open(Record(key, request.role, sent_s), handle, [], request.new_tokens)

    def poll(self, timeout_s: float | None) -> list[Record]:
        if not self._open:
            time.sleep(timeout_s or 0)
            return []
        self._pipeline.step()
        now_s = time.monotonic()
        for item in self._open.values():
            self._read(item, now_s)
        finished = [item.record for item in self._open.values() if len(item.output) >= item.wanted]
        for record in finished:
            record.output = self._open.pop(record.key).output
        if self._open and not finished and not self._pipeline.has_non_finished_requests():
            return self._lost()
        return finished

    def _read(self, item: Open, now_s: float) -> None:
        while item.handle.can_read():
            for part in item.handle.read().values():
                item.output += part.generated_ids
                item.record.add(now_s, len(part.generated_ids))

    def _lost(self) -> list[Record]:
        lost, self._open = [item.record for item in self._open.values()], {}
        for record in lost:
            record.error = "the pipeline ended the request early"
        return lost

    def close(self) -> None:
        """Nothing was started."""


def open_backend(order: Order) -> OpenVino:
    return OpenVino(order)
