"""Preloading with a made-up registry: what is tried, how often, and that one model's failure stops nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from inkwell.errors import LoadFailed, ModelNotFound
from inkwell.models.preload import Preload


class Registry:
    """Models that load or fail as configured; `failure` is what the last load of the default model ended in."""

    def __init__(self, failing: dict[str, list[Exception]]) -> None:
        self.failing = failing
        self.tried: list[str] = []
        self.failed: dict[str, Exception] = {}
        self.settled = threading.Event()
        self.model_store = self
        self.name = ""
        self.tokenizer = None

    def find(self, name: str) -> "Registry":
        if name == "absent":
            raise ModelNotFound("absent")
        self.name = name
        return self

    def failure(self, model: "Registry") -> Exception | None:
        return self.failed.get(model.name)

    @contextmanager
    def lease(self, model: "Registry") -> Iterator[None]:
        name = model.name
        self.tried.append(name)
        self.failed.pop(name, None)
        if self.failing.get(name):
            self.failed[name] = self.failing[name].pop(0)
            raise self.failed[name]
        yield
        if self.name == "main" and "main" not in self.failed:
            self.settled.set()


@pytest.mark.parametrize("error", [LoadFailed("killed"), RuntimeError("a bug")])
def test_a_default_model_that_failed_is_tried_until_it_loads(error):
    registry = Registry({"main": [error, error]})
    preload = Preload(registry, ["main"], "main", retry_s=0.01)
    preload.start()
    assert registry.settled.wait(10)
    assert registry.tried == ["main"] * 3
    assert preload.pending == ()


def test_a_model_that_cannot_be_had_does_not_keep_the_others_from_loading():
    registry = Registry({"other": [LoadFailed("broken")]})
    Preload(registry, ["absent", "other", "main"], "main", retry_s=600).start()
    assert registry.settled.wait(10)
    assert registry.tried == ["other", "main"]
