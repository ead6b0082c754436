"""Which models run: loads a model on its first request, shares it, evicts idle ones and restarts dead workers.

Takes models, returns running workers for the duration of a lease. Single-flight: if several requests need a model that
is not loaded, one worker is started and all wait for it. Knows no HTTP and no tensors.
"""

import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from inkwell.engine.contract import EngineConfig
from inkwell.errors import Cancelled, InkwellError, LoadFailed, LoadTimeout, QueueFull, ShuttingDown, error_of
from inkwell.models.draft_model_map import DraftModelMap
from inkwell.models.model_store import Model, ModelStore
from inkwell.models.worker_load import WorkerLoad, exit_reason, worker_load
from inkwell.observability.logs import LogOptions
from inkwell.observability.metrics import CRASHED, FAILED, LOADED, Metrics
from inkwell.worker.client import DEFAULT_LOGS, Worker

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Running:
    """A started worker and its users; guarded by the registry's lock."""

    model: Model
    worker: Worker
    users: int = 0
    last_use: int = 0  # a counter, not a clock: only the order matters
    retired: bool = False  # its folder was replaced: it is stopped after its last user
    loaded: bool = False  # a request has found it ready


@dataclass(frozen=True, slots=True)
class _Failure:
    model: Model
    error: InkwellError
    until: float  # monotonic seconds


class Registry:
    """The running workers of one service. Thread-safe."""

    def __init__(
        self,
        store: ModelStore,
        config: EngineConfig,
        max_models: int,
        load_timeout_s: float,
        retry_load_s: float,
        drafts: DraftModelMap | None = None,
        metrics: Metrics | None = None,
        logs: LogOptions = DEFAULT_LOGS,
    ) -> None:
        self.model_store = store
        self._drafts = drafts or DraftModelMap(store, ())
        self._metrics = metrics or Metrics()
        self._logs = logs
        self._config = config
        self._max_models = max_models
        self._load_timeout_s = load_timeout_s
        self._retry_load_s = retry_load_s
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._failures: dict[str, _Failure] = {}
        self._crashed: set[str] = set()  # models whose last worker crashed
        self._uses = itertools.count(1)
        self._closed = False

    @contextmanager
    def lease(
        self, model: Model, patience_s: float = math.inf, gives_up: Callable[[], bool] = lambda: False
    ) -> Iterator[Worker]:
        """A ready worker of the model, which is not evicted while the context lasts; raises why if there is none.

        Blocks while the model loads, for at most `patience_s` seconds and until `gives_up` returns true.
        """
        with self._lock:
            running = self._running_worker(model)
            running.users += 1
            running.last_use = next(self._uses)
        try:
            self._wait_ready(running, patience_s, gives_up)
            yield running.worker
        finally:
            self._release(running)

    def worker(self, name: str) -> Worker | None:
        """The worker of a model, loading or ready; None if there is none."""
        with self._lock:
            running = self._running.get(name)
        return running.worker if running else None

    def worker_loads(self) -> list[WorkerLoad]:
        """Every worker that is loading or ready, and how full it is."""
        with self._lock:
            return [worker_load(name, running.worker, running.users) for name, running in self._running.items()]

    def failure(self, model: Model) -> InkwellError | None:
        """The error of the last load of the folder in its present state; None once a later load has succeeded."""
        with self._lock:
            failure = self._failures.get(model.name)
        return failure.error if failure and failure.model is model else None

    def close(self) -> None:
        """End every worker; requests that still run get `worker_died`."""
        with self._lock:
            self._closed = True
            workers = [running.worker for running in self._running.values()]
        for worker in workers:
            worker.stop()

    def _wait_ready(self, running: _Running, patience_s: float, gives_up: Callable[[], bool]) -> None:
        try:
            running.worker.wait_ready(max(0.0, min(self._load_timeout_s, patience_s)), gives_up)
        except InkwellError as error:
            self._note_failure(running, error)
            raise
        with self._lock:
            self._failures.pop(running.model.name, None)
            if not running.loaded:
                running.loaded = True
                self._metrics.loaded(running.model.name, LOADED)

    def _running_worker(self, model: Model) -> _Running:
        """The entry of the model, with a worker started if there is none; the caller holds the lock."""
        if self._closed:
            raise ShuttingDown("the service is shutting down")
        running = self._running.get(model.name)
        if running is not None and running.model is not model:
            self._check_current(model)
            self._retire(running)
        elif running is not None and running.worker.alive:
            return running
        failure = self._failures.get(model.name)
        if failure is not None and failure.model is model and time.monotonic() < failure.until:
            raise error_of(failure.error.code, failure.error.message)
        if running is not None:
            self._drop(model.name, running.worker)
        config = replace(self._config, draft_folder=self._drafts.folder_of(model))  # raises before a model is evicted
        self._make_room()
        log.info("starting a worker", extra={"model": model.name})
        running = self._running[model.name] = _Running(model, self._start(model, config))
        return running

    def _start(self, model: Model, config: EngineConfig) -> Worker:
        try:
            meter = self._metrics.starting(model.name)
            if model.name in self._crashed:
                self._crashed.remove(model.name)
                self._metrics.restarted(model.name)
            return Worker(
                model.path,
                config,
                on_exit=lambda worker: self._forget(model.name, worker),
                on_step=lambda step: meter.note(step.rows, step.events),
                logs=self._logs,
            )
        except OSError as error:  # no memory, no process or no descriptor is left
            raise LoadFailed("no process could be started for the model", cause=repr(error)) from error

    def _check_current(self, model: Model) -> None:
        """Refuse a request that looked the model up before its folder was replaced: its ids are the old tokenizer's."""
        if self.model_store.find(model.name) is not model:
            raise LoadFailed("the model's folder was replaced while the request was on its way; send it again")

    def _retire(self, running: _Running) -> None:
        """The folder has changed since the worker loaded it, so the worker does not know its present token ids."""
        log.info("the model's folder was replaced", extra={"model": running.model.name})
        del self._running[running.model.name]
        running.retired = True
        if running.users == 0:
            running.worker.stop()

    def _make_room(self) -> None:
        while len(self._running) >= self._max_models:
            idle = [name for name, running in self._running.items() if running.users == 0]
            if not idle:
                raise QueueFull(f"all {self._max_models} models that may be loaded at once are in use; try again later")
            oldest = min(idle, key=lambda name: self._running[name].last_use)
            log.info("unloading the longest idle model", extra={"model": oldest})
            self._running.pop(oldest).worker.end()
            self._metrics.evicted(oldest)

    def _release(self, running: _Running) -> None:
        with self._lock:
            running.users -= 1
            if running.retired and running.users == 0:
                running.worker.stop()

    def _forget(self, name: str, worker: Worker) -> None:
        """Called when a worker has ended, in its reader thread."""
        with self._lock:
            self._drop(name, worker)
        self._metrics.exited(name, exit_reason(worker))
        log.log(
            logging.INFO if worker.stopped else logging.ERROR,
            "a worker ended",
            extra={"model": name, "exit_status": worker.process.returncode},
        )

    def _drop(self, name: str, worker: Worker) -> None:
        """Take a worker that has ended out of the table; a request may see its end before its reader does."""
        if name in self._running and self._running[name].worker is worker:
            del self._running[name]
            if exit_reason(worker) in CRASHED:
                self._crashed.add(name)

    def _note_failure(self, running: _Running, error: InkwellError) -> None:
        name = running.model.name
        if isinstance(error, LoadTimeout | Cancelled):  # it is still loading; a later request may find it ready
            return
        with self._lock:
            if self._running.get(name) is running:
                del self._running[name]
            noted = self._failures.get(name)
            if noted is not None and noted.model is running.model and time.monotonic() < noted.until:
                return  # another request waited for the same load
            self._failures[name] = _Failure(running.model, error, time.monotonic() + self._retry_load_s)
        self._metrics.loaded(name, FAILED)
        log.error("a model could not be loaded", extra={"model": name, "cause": error.cause})
