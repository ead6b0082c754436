"""The arguments of the kernels: C++ structs, field by field as the C++ sources declare them.

Structs contain addresses, so their creator must keep the tensors alive. Knows no shapes.
"""

import ctypes
from ctypes import c_double, c_float, c_int64, c_void_p

import torch
from torch import Tensor

# As linear.hpp numbers them, by the dtype of their elements: uint8 is the groups of int4.hpp.
FORMATS = {torch.float32: 0, torch.bfloat16: 1, torch.int8: 2, torch.uint8: 3}


class LinearWeightsStruct(ctypes.Structure):
    """`LinearWeights` of linear.hpp."""

    _fields_ = [
        *((name, c_void_p) for name in ("weight", "scale", "bias")),
        *((name, c_int64) for name in ("format", "inputs", "outputs", "row_bytes")),
    ]


class AttentionArgsStruct(ctypes.Structure):
    """`AttentionArgs` of attention.hpp."""

    _fields_ = [
        *((name, c_void_p) for name in ("queries", "keys", "values")),
        *((name, c_int64) for name in ("q_stride", "k_stride", "v_stride")),
        *((name, c_void_p) for name in ("key_cache", "value_cache")),
        *((name, c_int64) for name in ("format", "context")),
        *((name, c_void_p) for name in ("out", "segments")),
        *((name, c_int64) for name in ("segment_count", "heads", "head_dim")),
        ("scale", c_float),
    ]


class NormWeightsStruct(ctypes.Structure):
    """`NormWeights` of norm.hpp."""

    _fields_ = [("weight", c_void_p), ("bias", c_void_p)]


class BlockWeightsStruct(ctypes.Structure):
    """`BlockWeights` of model.cpp."""

    _fields_ = [
        *((name, NormWeightsStruct) for name in ("norm", "mlp_norm")),
        *((name, LinearWeightsStruct) for name in ("qkv", "out", "up", "down")),
        ("scale", c_double),
    ]


class ModelWeightsStruct(ctypes.Structure):
    """`ModelWeights` of model.cpp."""

    _fields_ = [
        ("blocks", ctypes.POINTER(BlockWeightsStruct)),
        ("block_count", c_int64),
        ("norm", NormWeightsStruct),
        ("epsilon", c_double),
        *((name, c_int64) for name in ("width", "inner", "heads", "context")),
        *((name, c_void_p) for name in ("positions", "cos", "sin")),
        ("rotary_dim", c_int64),
    ]


class BatchStruct(ctypes.Structure):
    """`Batch` of model.cpp."""

    _fields_ = [
        ("segments", c_void_p),
        *((name, c_int64) for name in ("segment_count", "tokens")),
        ("caches", c_void_p),
        ("cache_format", c_int64),
        *((name, c_void_p) for name in ("hidden", "scratch")),
    ]


def linear_weights_struct(
    inputs: int, weight: Tensor, scale: Tensor | None, bias: Tensor | None
) -> LinearWeightsStruct:
    """The weights [outputs, inputs] of a linear layer, packed as their format requires."""
    row_bytes = weight.stride(0) * weight.element_size()
    return LinearWeightsStruct(
        weight.data_ptr(), address(scale), address(bias), FORMATS[weight.dtype], inputs, len(weight), row_bytes
    )


def address(tensor: Tensor | None) -> int | None:
    """The address of a tensor's numbers; None, which is null in C++, without a tensor."""
    return None if tensor is None else tensor.data_ptr()
