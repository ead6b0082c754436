"""The precision that a model is computed in."""

from pathlib import Path

import pytest
import torch

from inkwell.engine.checkpoint.precision import resolve_precision, torch_precision
from inkwell.errors import LoadFailed


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("kernels", [True, False])
def test_a_float_that_was_asked_for_is_what_the_weights_are(name: str, kernels: bool) -> None:
    assert resolve_precision(name, "float32", "cpu", kernels).matrices == getattr(torch, name)


def test_the_kernels_compute_between_the_layers_in_float32() -> None:
    precision = resolve_precision("bfloat16", None, "cpu", kernels=True)
    assert (precision.native, precision.vectors, precision.cache) == (True, torch.float32, torch.bfloat16)


@pytest.mark.parametrize(("wanted", "device"), [("float16", "cpu"), ("bfloat16", "cuda"), ("float32", "cuda")])
def test_what_the_kernels_do_not_compute_is_left_to_torch(wanted: str, device: str) -> None:
    assert resolve_precision(wanted, None, device, kernels=True) == torch_precision(getattr(torch, wanted))


@pytest.mark.parametrize(("name", "element"), [("int8", torch.int8), ("int4", torch.uint8)])
def test_whole_numbers_are_for_the_kernels_alone(name: str, element: torch.dtype) -> None:
    assert resolve_precision(name, "float32", "cpu", kernels=True).matrices == element
    for device, kernels in (("cpu", False), ("cuda", True)):
        with pytest.raises(LoadFailed, match=name):
            resolve_precision(name, "float32", device, kernels)


@pytest.mark.parametrize("stored", ["float16", "bfloat16"])
def test_a_checkpoint_in_16_bits_is_never_blown_up_on_a_cpu(stored: str) -> None:
    assert resolve_precision("auto", stored, "cpu", kernels=False).matrices == torch.bfloat16


def test_a_float32_checkpoint_is_halved_where_that_is_faster() -> None:
    flags = Path("/proc/cpuinfo").read_text()
    expected = torch.bfloat16 if "avx512_bf16" in flags or "amx_bf16" in flags else torch.float32
    assert resolve_precision("auto", "float32", "cpu", kernels=False).matrices == expected
    assert resolve_precision("auto", "float32", "cpu", kernels=True).matrices == torch.bfloat16
