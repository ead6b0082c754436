"""What the metrics report about one worker: its current load, and why it ended."""

from dataclasses import dataclass

from inkwell.observability.metrics import EXITED, KILLED, NOT_LOADED, STOPPED
from inkwell.worker.client import Worker


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """The load of a worker. `queued` counts texts without a slot or, while the model loads, requests for it."""

    model: str
    slots: int
    running: int  # texts in a slot
    queued: int
    memory_bytes: int | None
    gpu_bytes: int | None  # weights and cache; None on a CPU, and until the model has loaded


def worker_load(model: str, worker: Worker, users: int) -> WorkerLoad:
    """The load of a worker that `users` requests have leased.

    The scheduler assigns free slots at once, so the counts can be derived from the number of jobs sent.
    """
    ready, jobs = worker.ready, worker.open_jobs
    if ready is None:
        return WorkerLoad(model, 0, 0, users, worker.resident_bytes, None)
    running = min(jobs, ready.rows)
    return WorkerLoad(model, ready.rows, running, jobs - running, worker.resident_bytes, ready.gpu_bytes or None)


def exit_reason(worker: Worker) -> str:
    """Why a worker ended, by the names of `metrics.py`."""
    if worker.stopped:
        return STOPPED
    if worker.load_failed:
        return NOT_LOADED
    return KILLED if worker.process.returncode < 0 else EXITED
