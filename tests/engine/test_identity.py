"""The same bytes alone and in a batch, for dozens of random requests; `identity.py` explains it and runs thousands."""

from functools import cache
from pathlib import Path

import pytest

from tests.engine.identity import DEMO, Machine, differences, machine_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
REQUESTS = 60


@cache
def machine(folder: Path, dtype: str, native: bool) -> Machine:
    return machine_of(folder, dtype, native)


@pytest.mark.parametrize(
    ("family", "dtype", "drafts"),
    [
        ("gpt2", "float32", "known"),
        ("gpt2", "bfloat16", "known"),
        ("gpt2", "bfloat16", "ngram"),
        ("gpt2", "bfloat16", "model"),
        ("gpt2", "int8", "known"),
        ("gpt2", "int4", "known"),
        ("gptj", "bfloat16", "known"),
    ],
)
def test_every_request_gets_the_bytes_that_it_gets_alone(originals, family: str, dtype: str, drafts: str):
    found, crowd = differences(machine(originals[family], dtype, native=True), REQUESTS, seed=1, drafts=drafts)
    assert found == []
    assert crowd.reused > 100 and len(crowd.ends) > 40


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_machine_without_kernels_gives_the_same_bytes_too(originals, dtype: str):
    found, crowd = differences(machine(originals["gpt2"], dtype, native=False), REQUESTS, seed=2, drafts="known")
    assert found == []
    assert crowd.reused > 0


def test_a_trained_model_gives_the_same_bytes_too():
    found, _ = differences(machine(DEMO, "bfloat16", native=True), 20, seed=3, drafts="ngram")
    assert found == []
