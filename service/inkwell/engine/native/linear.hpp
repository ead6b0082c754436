// The interface of linear layers for the other kernels.
#pragma once
#include "pool.hpp"

// Filled by Python (structs.py): eight bytes per field.
struct LinearWeights {
    const void *weight;  // [outputs, row_bytes]
    const float *scale;  // [outputs], of 8-bit weights, or null
    const float *bias;   // [outputs] or null
    int64_t format;      // 0 Float32, 1 BFloat16, 2 Int8, 3 Int4
    int64_t inputs, outputs, row_bytes;
};

// What is done with x W^T * scale + bias: it is stored in `out`, its GELU is stored, or it is added to `out`.
enum class Epilogue { STORE, GELU, ADD };

// Rows of `x` and `out` are `*_stride` floats apart.
void linear(Pool &pool, const LinearWeights &weights, const float *x, int64_t x_stride, int64_t rows, float *out,
            int64_t out_stride, Epilogue epilogue);
