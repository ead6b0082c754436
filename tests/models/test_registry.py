"""The registry with real worker processes: one load for all requests, eviction, failure and restart."""

import os
import shutil
import signal
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from inkwell.engine.contract import EngineConfig, FailureEvent, Job
from inkwell.errors import InkwellError, LoadFailed, ModelCorrupt, QueueFull, ShuttingDown
from inkwell.models.model_store import Model, ModelStore
from inkwell.models.registry import Registry
from inkwell.parameters.sampling import GREEDY
from tests.engine.tiny import save_tiny

pytestmark = pytest.mark.slow
CONFIG = EngineConfig(device="cpu", dtype="float32", threads=1, max_rows=4)
SHORT = Job(0, (5, 6), 3, GREEDY)
LONG = Job(0, (5,), 1000, seed=1)


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory) -> Path:
    """Three models that can be served and one whose weights are cut short. No tokenizer is read at this level."""
    root = tmp_path_factory.mktemp("models")
    for name in ("one", "two", "three", "broken"):
        save_tiny(root / name, n_positions=1024)
        (root / name / "tokenizer.json").write_text("{}")
    weights = root / "broken" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-64])
    return root


@pytest.fixture
def registry(models_dir):
    registry = Registry(ModelStore(models_dir), CONFIG, max_models=2, load_timeout_s=60, retry_load_s=0.5)
    yield registry
    registry.close()


class Held:
    """A lease that lasts until `close`."""

    def __init__(self, registry: Registry, model: Model) -> None:
        self._lease = ExitStack()
        self.worker = self._lease.enter_context(registry.lease(model))
        self.close = self._lease.close


def lease(registry: Registry, name: str) -> Held:
    return Held(registry, registry.model_store.find(name))


def finish_of(registry: Registry, name: str) -> str:
    """Run a short request to its end."""
    held = lease(registry, name)
    stream = held.worker.submit([SHORT])
    try:
        while True:
            _, event = stream.get(30)
            if stream.ends(event):
                return event.code if isinstance(event, FailureEvent) else event.finish
    finally:
        stream.close()
        held.close()


def test_a_hundred_simultaneous_first_requests_start_one_worker(registry):
    pids, barrier = [], threading.Barrier(100)

    def ask() -> None:
        barrier.wait()
        held = lease(registry, "one")
        pids.append(held.worker.process.pid)
        held.close()

    threads = [threading.Thread(target=ask) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(pids) == 100 and len(set(pids)) == 1


def test_a_killed_worker_is_replaced_and_other_models_never_notice(registry):
    other = lease(registry, "two")
    running = other.worker.submit([LONG])
    victim = lease(registry, "one")
    os.kill(victim.worker.process.pid, signal.SIGKILL)
    victim.worker.process.wait(10)
    assert finish_of(registry, "one") == "length"
    assert registry.worker("one").process.pid != victim.worker.process.pid
    assert running.get(10)[1].key and other.worker.alive
    running.close()
    other.close()
    victim.close()


def test_the_longest_idle_model_makes_room(registry):
    for name in ("one", "two", "one", "three"):
        assert finish_of(registry, name) == "length"
    assert registry.worker("two") is None
    assert registry.worker("one") and registry.worker("three")


def test_a_model_in_use_is_never_unloaded(registry):
    held = [lease(registry, "one"), lease(registry, "two")]
    with pytest.raises(QueueFull, match="2 models"):
        lease(registry, "three")
    assert all(each.worker.alive for each in held)
    held[0].close()
    held[0].close()
    assert finish_of(registry, "three") == "length"
    assert registry.worker("two") is held[1].worker
    held[1].close()


def test_a_broken_model_gives_every_waiter_the_same_error_and_harms_no_other(registry):
    assert finish_of(registry, "one") == "length"
    errors = []

    def ask() -> None:
        try:
            lease(registry, "broken")
        except InkwellError as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [type(error) for error in errors] == [ModelCorrupt] * 10
    assert registry.failure(registry.model_store.find("broken")).code == "model_corrupt"
    assert finish_of(registry, "one") == "length"


def test_after_a_failed_load_nothing_is_started_until_the_folder_changes(models_dir, tmp_path):
    shutil.copytree(models_dir, tmp_path, dirs_exist_ok=True)
    registry = Registry(ModelStore(tmp_path), CONFIG, max_models=2, load_timeout_s=60, retry_load_s=600)
    with pytest.raises(ModelCorrupt):
        lease(registry, "broken")
    with pytest.raises(ModelCorrupt):
        lease(registry, "broken")
    assert registry.worker("broken") is None
    shutil.copy(tmp_path / "one" / "model.safetensors", tmp_path / "broken" / "model.safetensors")
    assert finish_of(registry, "broken") == "length"
    assert registry.failure(registry.model_store.find("broken")) is None
    registry.close()


def test_a_replaced_folder_is_loaded_anew_and_running_requests_finish_on_the_old_one(models_dir, tmp_path):
    shutil.copytree(models_dir / "one", tmp_path / "one")
    registry = Registry(ModelStore(tmp_path), CONFIG, max_models=2, load_timeout_s=60, retry_load_s=1.0)
    old = lease(registry, "one")
    running = old.worker.submit([LONG])
    assert running.get(30)
    model = registry.model_store.find("one")
    os.utime(tmp_path / "one" / "model.safetensors")
    assert finish_of(registry, "one") == "length"
    assert registry.worker("one") is not old.worker
    with pytest.raises(LoadFailed, match="replaced"):  # a request that looked it up before
        Held(registry, model)
    assert running.get(10) and old.worker.alive
    running.close()
    old.close()
    assert old.worker.process.wait(10) is not None
    registry.close()


def test_a_closed_registry_ends_its_workers_and_starts_none(registry):
    held = lease(registry, "one")
    registry.close()
    held.worker.process.wait(10)
    with pytest.raises(ShuttingDown):
        lease(registry, "two")
