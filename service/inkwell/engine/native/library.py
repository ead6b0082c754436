"""The compiled kernels as Python calls them: tensors in, tensors out.

Float32 activations throughout; weights in any format of vectors.hpp. One `Kernels` a process, because it owns the
threads. Shapes are asserted here, as the C++ side cannot. Knows no layers and no files.
"""

import ctypes
import weakref
from ctypes import POINTER, c_int, c_int64, c_void_p
from pathlib import Path

import torch
from torch import Tensor

from inkwell.engine.native.build import library_path
from inkwell.engine.native.quantization import packed_width
from inkwell.engine.native.structs import FORMATS, HeadsStruct, MatrixStruct, ModelStruct, StepStruct, matrix_struct

_STORE, _GELU, _ADD = range(3)  # `Then` of linear.hpp


class Kernels:
    """One compiled library with `threads` threads; raises OSError if it cannot be loaded."""

    def __init__(self, path: Path, threads: int) -> None:
        library = ctypes.CDLL(str(path))
        self._linear = library.inkwell_linear
        self._linear.restype = None
        self._linear.argtypes = [
            *(c_void_p, POINTER(MatrixStruct), c_void_p, c_int64, c_int64, c_void_p, c_int64, c_int),
        ]
        self._attention = library.inkwell_attention
        self._attention.restype = None
        self._attention.argtypes = [c_void_p, POINTER(HeadsStruct)]
        self._layers = library.inkwell_layers
        self._layers.restype = None
        self._layers.argtypes = [c_void_p, POINTER(ModelStruct), POINTER(StepStruct)]
        self._scratch = library.inkwell_scratch
        self._scratch.restype = c_int64
        self._scratch.argtypes = [POINTER(ModelStruct)]
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
        assert onto is None or not gelu
        then = _GELU if gelu else _STORE if onto is None else _ADD
        matrix = matrix_struct(inputs, weight, scale, bias)
        self._linear(self._pool, matrix, rows.data_ptr(), rows.stride(0), count, out.data_ptr(), outputs, then)
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
        heads_of_layer = HeadsStruct(
            *(queries.data_ptr(), keys.data_ptr(), values.data_ptr()),
            *(queries.stride(0), keys.stride(0), values.stride(0)),
            *(key_cache.data_ptr(), value_cache.data_ptr(), FORMATS[key_cache.dtype], key_cache.shape[2]),
            *(out.data_ptr(), spans.data_ptr(), len(spans), heads, head_dim, scale),
        )
        self._attention(self._pool, heads_of_layer)
        return out

    def layers(self, model: ModelStruct, step: StepStruct) -> None:
        """A pass through all layers, which program.py lays out and checks."""
        self._layers(self._pool, model, step)

    def scratch_floats(self, model: ModelStruct) -> int:
        """Floats of scratch memory that `layers` needs for each token of a step."""
        return self._scratch(model)


def open_kernels(threads: int) -> Kernels | None:
    """The kernels for this CPU, or None where they were not built or the CPU is too old for them."""
    level = torch.backends.cpu.get_cpu_capability()
    try:
        return Kernels(library_path(level), threads)
    except OSError:
        return None
