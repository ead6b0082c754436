"""The compiled kernels as Python calls them: tensors in, tensors out.

Float32 activations throughout; weights in any format of vectors.hpp. One `Kernels` a process, because it owns the
threads. Shapes are asserted here, as the C++ side cannot. Knows no layers and no files.
"""

import ctypes
import weakref
from ctypes import c_float, c_int, c_int64, c_void_p

import torch
from torch import Tensor

from service.engine.native.build import library_path
from service.engine.quantization import packed_width

# As linear.cpp numbers them, by the dtype that holds their elements: uint8 is the groups of int4.hpp.
FORMATS = {torch.float32: 0, torch.bfloat16: 1, torch.int8: 2, torch.uint8: 3}


class Kernels:
    """The library of one instruction level with `threads` threads."""

    def __init__(self, level: str, threads: int) -> None:
        library = ctypes.CDLL(str(library_path(level)))
        self.level = level
        self._linear = library.inkwell_linear
        self._linear.restype = None
        self._linear.argtypes = [
            *(c_void_p, c_int, c_void_p, c_int64, c_int64, c_int64, c_int64, c_void_p, c_int64),
            *(c_void_p, c_void_p, c_void_p, c_int64, c_int, c_int),
        ]
        self._attention = library.inkwell_attention
        self._attention.restype = None
        self._attention.argtypes = [
            *(c_void_p, c_int, c_void_p, c_int64, c_void_p, c_int64, c_void_p, c_int64, c_void_p, c_void_p),
            *(c_int64, c_void_p, c_void_p, c_int64, c_int64, c_int64, c_float),
        ]
        library.inkwell_open.restype = c_void_p
        library.inkwell_close.argtypes = [c_void_p]
        self._pool = library.inkwell_open(threads)
        weakref.finalize(self, library.inkwell_close, self._pool)

    def linear(
        self, rows: Tensor, weight: Tensor, scale: Tensor | None, bias: Tensor | None, onto: Tensor | None, gelu: bool
    ) -> Tensor:
        """[n, inputs] to [n, outputs]; `onto` is added to in place and given back instead of a new tensor."""
        count, inputs = rows.shape
        outputs = len(weight)
        assert rows.dtype == torch.float32 and rows.stride(1) == 1, (rows.dtype, rows.stride())
        assert weight.is_contiguous() and weight.shape[1] == packed_width(inputs, weight.dtype), (weight.shape, inputs)
        assert all(part is None or part.shape == (outputs,) and part.dtype == torch.float32 for part in (scale, bias))
        out = rows.new_empty(count, outputs) if onto is None else onto
        assert out.shape == (count, outputs) and out.is_contiguous(), (out.shape, count, outputs)
        self._linear(
            *(self._pool, FORMATS[weight.dtype], rows.data_ptr(), rows.stride(0), count, inputs, outputs),
            *(weight.data_ptr(), weight.stride(0) * weight.element_size()),
            *(None if scale is None else scale.data_ptr(), None if bias is None else bias.data_ptr()),
            *(out.data_ptr(), outputs, gelu, onto is not None),
        )
        return out

    def attention(
        self, queries: Tensor, keys: Tensor, values: Tensor, cache: tuple[Tensor, Tensor], spans: Tensor, scale: float
    ) -> Tensor:
        """Write keys and values [T, heads, head_dim] into `cache` (each [slots, heads, context, head_dim]), attend.

        `spans` is int64 [n, 4]: slot, first position, length, place of the first token. Gives [T, heads * head_dim].
        """
        tokens, heads, head_dim = queries.shape
        key_cache, value_cache = cache
        assert key_cache.is_contiguous() and key_cache.shape[1::2] == (heads, head_dim), key_cache.shape
        assert value_cache.is_contiguous() and value_cache.shape == key_cache.shape, value_cache.shape
        parts = (queries, keys, values)
        assert all(part.shape == queries.shape and part.stride()[1:] == (head_dim, 1) for part in parts), keys.shape
        assert spans.dtype == torch.int64 and spans.is_contiguous() and spans.shape[1] == 4, (spans.dtype, spans.shape)
        out = queries.new_empty(tokens, heads * head_dim)
        self._attention(
            *(self._pool, FORMATS[key_cache.dtype], queries.data_ptr(), queries.stride(0)),
            *(keys.data_ptr(), keys.stride(0), values.data_ptr(), values.stride(0)),
            *(key_cache.data_ptr(), value_cache.data_ptr(), key_cache.shape[2]),
            *(out.data_ptr(), spans.data_ptr(), len(spans), heads, head_dim, scale),
        )
        return out


def open_kernels(threads: int) -> Kernels | None:
    """The kernels for this CPU, or None where they were not built or the CPU is too old for them."""
    level = torch.backends.cpu.get_cpu_capability()
    try:
        return Kernels(level, threads)
    except OSError:
        return None
