"""What the kernels read beside numbers: C++ structs, field by field as the headers declare them.

Structs hold addresses, so whoever fills one keeps its tensors alive. Knows no shapes.
"""

import ctypes
from ctypes import c_double, c_float, c_int64, c_void_p

import torch
from torch import Tensor

# As linear.hpp numbers them, by the dtype that holds their elements: uint8 is the groups of int4.hpp.
FORMATS = {torch.float32: 0, torch.bfloat16: 1, torch.int8: 2, torch.uint8: 3}


class MatrixStruct(ctypes.Structure):
    """`Matrix` of linear.hpp."""

    _fields_ = [
        *((name, c_void_p) for name in ("weights", "scale", "bias")),
        *((name, c_int64) for name in ("format", "inputs", "outputs", "row_bytes")),
    ]


class HeadsStruct(ctypes.Structure):
    """`Heads` of attention.hpp."""

    _fields_ = [
        *((name, c_void_p) for name in ("queries", "keys", "values")),
        *((name, c_int64) for name in ("q_step", "k_step", "v_step")),
        *((name, c_void_p) for name in ("key_cache", "value_cache")),
        *((name, c_int64) for name in ("format", "context")),
        *((name, c_void_p) for name in ("out", "spans")),
        *((name, c_int64) for name in ("span_count", "heads", "head_dim")),
        ("scale", c_float),
    ]


class NormStruct(ctypes.Structure):
    """`Norm` of norm.hpp."""

    _fields_ = [("weight", c_void_p), ("bias", c_void_p)]


class BlockStruct(ctypes.Structure):
    """`Block` of layers.cpp."""

    _fields_ = [
        *((name, NormStruct) for name in ("norm", "mlp_norm")),
        *((name, MatrixStruct) for name in ("qkv", "out", "up", "down")),
        ("scale", c_double),
    ]


class ModelStruct(ctypes.Structure):
    """`Model` of layers.cpp."""

    _fields_ = [
        ("blocks", ctypes.POINTER(BlockStruct)),
        ("count", c_int64),
        ("norm", NormStruct),
        ("epsilon", c_double),
        *((name, c_int64) for name in ("width", "inner", "heads", "context")),
        *((name, c_void_p) for name in ("positions", "cos", "sin")),
        ("rotary_dim", c_int64),
    ]


class StepStruct(ctypes.Structure):
    """`Step` of layers.cpp."""

    _fields_ = [
        ("spans", c_void_p),
        *((name, c_int64) for name in ("span_count", "tokens")),
        ("caches", c_void_p),
        ("cache_format", c_int64),
        *((name, c_void_p) for name in ("hidden", "scratch")),
    ]


def matrix_struct(inputs: int, weight: Tensor, scale: Tensor | None, bias: Tensor | None) -> MatrixStruct:
    """A linear layer's weights [outputs, inputs], packed as their format is."""
    row_bytes = weight.stride(0) * weight.element_size()
    return MatrixStruct(
        weight.data_ptr(), address(scale), address(bias), FORMATS[weight.dtype], inputs, len(weight), row_bytes
    )


def address(tensor: Tensor | None) -> int | None:
    """Where a tensor's numbers lie; None, which C++ sees as null, where there is none."""
    return None if tensor is None else tensor.data_ptr()
