// A linear layer as the other kernels call it.
#pragma once
#include "pool.hpp"

// Weights as Python lays them out (program.py): eight bytes a field.
struct Matrix {
    const void *weights;  // [outputs, row_bytes]
    const float *scale;   // [outputs], of 8-bit weights, or null
    const float *bias;    // [outputs] or null
    int64_t format;       // 0 Float32, 1 BFloat16, 2 Int8, 3 Int4
    int64_t inputs, outputs, row_bytes;
};

enum class Then { STORE, GELU, ADD };

// out = x W^T * scale + bias, or GELU of that, or added to `out`; `*_step` floats from row to row.
void linear(Pool &pool, const Matrix &matrix, const float *x, int64_t x_step, int64_t rows, float *out,
            int64_t out_step, Then then);
