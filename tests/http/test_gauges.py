"""What a scrape measures, of workers that are imitated: one on a GPU needs no GPU here."""

from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from inkwell.access.admission import Admission
from inkwell.access.throughput import ThroughputEstimator
from inkwell.http.metrics import Gauges
from inkwell.models.worker_load import WorkerLoad, worker_load
from inkwell.worker.messages import Ready

HELD = 300 << 20
ON_GPU = Ready("cuda:0", "bfloat16", "bfloat16 weights", 16, 5 << 30, "torch-nvidia-h200")
ON_CPU = Ready("cpu", "bfloat16", "bfloat16 weights", 16, 0, "native-avx2")


@dataclass
class WorkerImitation:
    ready: Ready | None
    open_jobs: int = 0
    resident_bytes: int | None = HELD


@dataclass
class RegistryImitation:
    workers: dict[str, WorkerImitation]

    def worker_loads(self) -> list[WorkerLoad]:
        return [worker_load(name, worker, 2) for name, worker in self.workers.items()]


def value(worker: WorkerImitation, name: str, **labels: str) -> float | None:
    throughput, registry = ThroughputEstimator(), CollectorRegistry()
    registry.register(Gauges(RegistryImitation({"demo": worker}), Admission(1, None, throughput), throughput, "1"))
    return registry.get_sample_value(f"inkwell_{name}", {"model": "demo", **labels})


@pytest.mark.parametrize(("ready", "held"), [(ON_GPU, 5 << 30), (ON_CPU, None), (None, None)])
def test_memory_of_gpus_is_told_of_a_model_that_takes_some(ready: Ready | None, held: int | None):
    worker = WorkerImitation(ready)
    assert value(worker, "worker_gpu_memory_bytes") == held
    assert value(worker, "worker_memory_bytes") == HELD


def test_a_worker_that_loads_has_no_slots_and_whoever_waits_for_it_is_queued():
    loading, ready = WorkerImitation(None), WorkerImitation(ON_CPU, open_jobs=20)
    assert [value(loading, name) for name in ("requests_queued", "requests_running")] == [2, 0]
    assert [value(ready, name) for name in ("requests_queued", "requests_running")] == [4, 16]
    assert [value(ready, "slots", state=state) for state in ("used", "free")] == [16, 0]
