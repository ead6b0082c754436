"""The precision that a model is computed in: decided once, at loading, by the setting, the checkpoint and the machine.

Returns a frozen `Precision`. Knows dtypes; knows no weights, files or kernel internals.
"""

from dataclasses import dataclass

import torch

from inkwell.errors import LoadFailed

FLOATS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# int8: one scale per row. int4: groups of 32 in bytes, see native/int4.hpp.
INTEGERS = {"int8": torch.int8, "int4": torch.uint8}


@dataclass(frozen=True, slots=True)
class Precision:
    """The dtype of each kind of tensor."""

    name: str  # that of the setting
    matrices: torch.dtype  # weights of linear layers and embedding
    vectors: torch.dtype  # norms, biases, positions and everything between the layers
    cache: torch.dtype
    native: bool  # computed by the kernels of native/ and not by torch


def torch_precision(dtype: torch.dtype) -> Precision:
    """Everything in one dtype, computed by torch."""
    return Precision(str(dtype).removeprefix("torch."), dtype, dtype, dtype, native=False)


def resolve_precision(wanted: str, stored: str | None, device: torch.device | str, kernels: bool) -> Precision:
    """The requested precision; for "auto", the smallest float type that this device computes fast.

    `stored` is the checkpoint's own type, `kernels` whether the native kernels run here. Raises LoadFailed if
    the precision needs them and they do not.
    """
    on_cpu = torch.device(device).type == "cpu"
    name = wanted if wanted != "auto" else _auto_dtype(stored, device, kernels and on_cpu)
    native = kernels and on_cpu and name != "float16"  # float16 is too narrow for the sums between the layers
    if name in INTEGERS:
        if not native:
            raise LoadFailed(f"{name} weights need the native kernels, on a CPU with AVX2; choose bfloat16 or float32")
        return Precision(name, INTEGERS[name], torch.float32, torch.bfloat16, native=True)
    if native:
        return Precision(name, FLOATS[name], torch.float32, FLOATS[name], native=True)
    return torch_precision(FLOATS[name])


def _auto_dtype(stored: str | None, device: torch.device | str, native: bool) -> str:
    if torch.device(device).type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    # A 16-bit checkpoint in float32 would take twice its size in memory without gaining precision.
    return "bfloat16" if native or stored in ("float16", "bfloat16") or _cpu_has_bfloat16() else "float32"


def _cpu_has_bfloat16() -> bool:
    # private in torch 2.13, hence the guard; without the instructions torch emulates bfloat16, slower than float32
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)
