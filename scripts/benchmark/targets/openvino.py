"""The OpenVINO GenAI pipeline with continuous batching, in process; runs in OpenVINO's own environment.

All options except the maximum batch size have their defaults. Imports only the standard library, numpy, openvino and
openvino_genai.
"""

import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino
import openvino_genai

from scripts.benchmark.exchange import Record, Request, TargetSpec


@dataclass(slots=True)
class PendingRequest:
    """An incomplete request: its record, its handle, and the ids so far."""

    record: Record
    handle: Any
    output: list[int]
    wanted: int


class OpenVino:
    """The pipeline as a backend; each poll is one step."""

    def __init__(self, spec: TargetSpec) -> None:
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.max_num_seqs = spec.rows
        properties = {"INFERENCE_NUM_THREADS": spec.threads} if spec.threads else {}
        self._pipeline = openvino_genai.ContinuousBatchingPipeline(spec.folder, scheduler, "CPU", properties)
        self._pending: dict[int, PendingRequest] = {}
        self._number = 0  # the pipeline requires a new id for every request
        self.started_s: float | None = None
        self.pids: tuple[int, ...] = (os.getpid(),)
        self.metadata: dict[str, Any] = {"openvino_genai": openvino_genai.__version__, "openvino": openvino.__version__}

    def submit(self, key: int, request: Request, sent_s: float) -> None:
        config = openvino_genai.GenerationConfig(max_new_tokens=request.new_tokens, do_sample=False, ignore_eos=True)
        ids = openvino.Tensor(np.array([request.prompt], dtype=np.int64))
        self._number += 1
        handle = self._pipeline.add_request(self._number, ids, config)
        self._pending[key] = PendingRequest(Record(key, request.role, sent_s), handle, [], request.new_tokens)

    def poll(self, timeout_s: float | None) -> list[Record]:
        if not self._pending:
            time.sleep(timeout_s or 0)
            return []
        self._pipeline.step()
        now_s = time.monotonic()
        for item in self._pending.values():
            self._read(item, now_s)
        finished = [item.record for item in self._pending.values() if len(item.output) >= item.wanted]
        for record in finished:
            record.output = self._pending.pop(record.key).output
        if self._pending and not finished and not self._pipeline.has_non_finished_requests():
            return self._fail_pending()
        return finished

    def _read(self, item: PendingRequest, now_s: float) -> None:
        while item.handle.can_read():
            for part in item.handle.read().values():
                item.output += part.generated_ids
                item.record.add(now_s, len(part.generated_ids))

    def _fail_pending(self) -> list[Record]:
        lost, self._pending = [item.record for item in self._pending.values()], {}
        for record in lost:
            record.error = "the pipeline ended the request early"
        return lost

    def close(self) -> None:
        """Nothing was started."""


def open_backend(spec: TargetSpec) -> OpenVino:
    return OpenVino(spec)
