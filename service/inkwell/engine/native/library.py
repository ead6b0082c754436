"""Python bindings of the compiled kernels: tensors in, tensors out.

Activations are float32; weights may have any format of vectors.hpp or int4.hpp. There is one `Kernels` per
process, because it owns the threads. Shapes are asserted here, as the C++ side cannot check them. Knows no layers and
no files.
"""

import ctypes
import weakref
from ctypes import POINTER, c_int, c_int64, c_void_p
from pathlib import Path

import torch
from torch import Tensor

from inkwell.engine.native.build import library_path
from inkwell.engine.native.quantization import packed_width
from inkwell.engine.native.structs import (
    FORMATS,
    AttentionArgsStruct,
    BatchStruct,
    LinearWeightsStruct,
    ModelWeightsStruct,
    linear_weights_struct,
)

_STORE, _GELU, _ADD = range(3)  # `Epilogue` of linear.hpp


class Kernels:
    """One compiled library with `threads` threads; raises OSError if it cannot be loaded."""

    def __init__(self, path: Path, threads: int) -> None:
        library = ctypes.CDLL(str(path))
        self._linear = library.inkwell_linear
        self._linear.restype = None
        self._linear.argtypes = [
            *(c_void_p, POINTER(LinearWeightsStruct), c_void_p, c_int64, c_int64, c_void_p, c_int64, c_int),
        ]
        self._attention = library.inkwell_attention
        self._attention.restype = None
        self._attention.argtypes = [c_void_p, POINTER(AttentionArgsStruct)]
        self._forward = library.inkwell_forward
        self._forward.restype = None
        self._forward.argtypes = [c_void_p, POINTER(ModelWeightsStruct), POINTER(BatchStruct)]
        self._scratch_floats = library.inkwell_scratch_floats
        self._scratch_floats.restype = c_int64
        self._scratch_floats.argtypes = [POINTER(ModelWeightsStruct)]
        library.inkwell_open_pool.restype = c_void_p
        library.inkwell_close_pool.argtypes = [c_void_p]
        self._pool = library.inkwell_open_pool(threads)
        weakref.finalize(self, library.inkwell_close_pool, self._pool)

    def linear(
        self,
        rows: Tensor,
        weight: Tensor,
        scale: Tensor | None,
        bias: Tensor | None,
        residual: Tensor | None,
        gelu: bool,
    ) -> Tensor:
        """Map [n, inputs] to [n, outputs]. With a `residual`, the result is added to it in place and it is returned."""
        count, inputs = rows.shape
        outputs = len(weight)
        assert rows.dtype == torch.float32 and rows.stride(1) == 1, (rows.dtype, rows.stride())
        assert weight.is_contiguous() and weight.shape[1] == packed_width(inputs, weight.dtype), (weight.shape, inputs)
        assert all(part is None or part.shape == (outputs,) and part.dtype == torch.float32 for part in (scale, bias))
        out = rows.new_empty(count, outputs) if residual is None else residual
        assert out.shape == (count, outputs) and out.is_contiguous(), (out.shape, count, outputs)
        assert residual is None or not gelu
        epilogue = _GELU if gelu else _STORE if residual is None else _ADD
        weights = linear_weights_struct(inputs, weight, scale, bias)
        self._linear(self._pool, weights, rows.data_ptr(), rows.stride(0), count, out.data_ptr(), outputs, epilogue)
        return out

    def attention(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        cache: tuple[Tensor, Tensor],
        segments: Tensor,
        scale: float,
    ) -> Tensor:
        """Write keys and values [T, heads, head_dim] into `cache` (each [slots, heads, context, head_dim]), attend.

        `segments` is int64 [n, 4]: slot, first position, length, index of the first token. Returns
        [T, heads * head_dim].
        """
        tokens, heads, head_dim = queries.shape
        key_cache, value_cache = cache
        assert key_cache.is_contiguous() and key_cache.shape[1::2] == (heads, head_dim), key_cache.shape
        assert value_cache.is_contiguous() and value_cache.shape == key_cache.shape, value_cache.shape
        parts = (queries, keys, values)
        assert all(part.shape == queries.shape and part.stride()[1:] == (head_dim, 1) for part in parts), keys.shape
        assert segments.dtype == torch.int64 and segments.is_contiguous(), segments.dtype
        assert segments.shape[1] == 4, segments.shape
        out = queries.new_empty(tokens, heads * head_dim)
        args = AttentionArgsStruct(
            *(queries.data_ptr(), keys.data_ptr(), values.data_ptr()),
            *(queries.stride(0), keys.stride(0), values.stride(0)),
            *(key_cache.data_ptr(), value_cache.data_ptr(), FORMATS[key_cache.dtype], key_cache.shape[2]),
            *(out.data_ptr(), segments.data_ptr(), len(segments), heads, head_dim, scale),
        )
        self._attention(self._pool, args)
        return out

    def forward(self, weights: ModelWeightsStruct, batch: BatchStruct) -> None:
        """One pass through all layers; model.py fills and checks the structs."""
        self._forward(self._pool, weights, batch)

    def scratch_floats(self, weights: ModelWeightsStruct) -> int:
        """Floats of scratch memory that `forward` needs for each token of a batch."""
        return int(self._scratch_floats(weights))


def open_kernels(threads: int) -> Kernels | None:
    """The kernels for this CPU; None if they were not built or the CPU does not support them."""
    level = torch.backends.cpu.get_cpu_capability()
    try:
        return Kernels(library_path(level), threads)
    except OSError:
        return None
