"""Loads the models of the settings one after another, while the service already accepts requests.

Afterwards it watches the default model: readiness depends on it, and while the service is not ready, a load balancer
sends no request that could trigger another load.
"""

import logging
import threading
import time
from collections.abc import Sequence

from inkwell.errors import InkwellError
from inkwell.models.registry import Registry

log = logging.getLogger(__name__)
LONGEST_PAUSE_S = 300.0


class Preload:
    """A background thread that leases each model once; `pending` is what it has not tried yet."""

    def __init__(self, registry: Registry, names: Sequence[str], default_model: str, retry_s: float) -> None:
        self._registry = registry
        self._pending = tuple(names)
        self._default_model = default_model
        self._retry_s = retry_s

    @property
    def pending(self) -> tuple[str, ...]:
        return self._pending

    def start(self) -> None:
        """Start the thread, which runs as long as the process."""
        threading.Thread(target=self._run, name="preload", daemon=True).start()

    def _run(self) -> None:
        while self._pending:
            self._load(self._pending[0])
            self._pending = self._pending[1:]
        pause_s = self._retry_s
        while True:
            time.sleep(pause_s)
            failed = self._default_failed()
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S) if failed else self._retry_s
            if failed:
                self._load(self._default_model)

    def _default_failed(self) -> bool:
        try:
            return self._registry.failure(self._registry.model_store.find(self._default_model)) is not None
        except InkwellError:  # there is nothing to load; /readyz reports why
            return False

    def _load(self, name: str) -> None:
        try:
            model = self._registry.model_store.find(name)
            _ = model.tokenizer  # this process reads it, so it is not part of the worker's load
            with self._registry.lease(model):  # returns when the model is loaded
                pass
        except InkwellError as error:  # the service continues without it; /readyz and /models report why
            log.error("a model could not be loaded", extra={"model": name, "code": error.code, "cause": error.cause})
        except Exception:  # a failing model must not end this thread
            log.exception("a model could not be loaded", extra={"model": name})
