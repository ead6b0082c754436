"""`system_fingerprint`: it changes with everything that the bits of a text depend on, and with nothing else."""

from dataclasses import dataclass, replace

import pytest

from inkwell.dialects.openai import reply
from inkwell.worker.messages import Ready

READY = Ready("cpu", "bfloat16", "bfloat16 weights, native kernels, AVX2", 16, 0, "native-avx2")


@dataclass(frozen=True)
class ModelImitation:
    name: str = "demo"
    revision: str | None = None


@dataclass(frozen=True)
class Imitation:
    """The services, with a registry of one worker, and that worker."""

    ready: Ready | None
    version: str

    @property
    def registry(self) -> "Imitation":
        return self

    def worker(self, name: str) -> "Imitation":
        return self


def fingerprint(ready: Ready | None = READY, version: str = "1", revision: str | None = None) -> str | None:
    return reply.fingerprint(Imitation(ready, version), ModelImitation(revision=revision))


def test_it_names_version_device_numbers_kernels_and_instructions():
    assert fingerprint() == "inkwell-1-cpu-bfloat16-native-avx2"
    assert fingerprint(revision="607a30d7") == "inkwell-1-cpu-bfloat16-native-avx2-607a30d7"
    assert fingerprint(replace(READY, device="cuda:0, cuda:1, cpu")).startswith("inkwell-1-cuda:0+cuda:1+cpu-")


@pytest.mark.parametrize(
    "change",
    [{"device": "cuda:0"}, {"dtype": "int8"}, {"kernels": "torch-avx2"}, {"kernels": "native-avx512"}],
    ids=str,
)
def test_it_changes_with_what_computes(change: dict[str, str]):
    assert fingerprint(replace(READY, **change)) != fingerprint()
    assert fingerprint(version="2") != fingerprint() != fingerprint(revision="607a30d7")


def test_it_stays_when_only_the_room_for_requests_changes():
    assert fingerprint(replace(READY, rows=64, path="in other words")) == fingerprint()


def test_there_is_none_while_no_process_holds_the_model():
    assert fingerprint(None) is None
