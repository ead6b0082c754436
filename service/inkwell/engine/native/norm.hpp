// Layer norm of one row: the mean, then the variance around it, each summed in an order that depends only on the
// width.
#pragma once
#include "vectors.hpp"
#include <cmath>

struct NormWeights {
    const float *weight, *bias;  // [width]
};

// `out` may be `x` itself.
inline void normalize(const NormWeights &norm, float epsilon, const float *x, int64_t width, float *out) {
    int64_t whole = width / LANES * LANES;
    Floats lanes = {};
    for (int64_t i = 0; i < whole; i += LANES) lanes += load(x + i);
    float total = sum(lanes);
    for (int64_t i = whole; i < width; ++i) total += x[i];
    float mean = total / (float)width;
    lanes = Floats{};
    for (int64_t i = 0; i < whole; i += LANES) lanes = fused(load(x + i) - mean, load(x + i) - mean, lanes);
    float squares = sum(lanes);
    for (int64_t i = whole; i < width; ++i) squares = fused(x[i] - mean, x[i] - mean, squares);
    float factor = 1.0f / std::sqrt(squares / (float)width + epsilon);
    for (int64_t i = 0; i < whole; i += LANES)
        store(out + i, fused((load(x + i) - mean) * factor, load(norm.weight + i), load(norm.bias + i)));
    for (int64_t i = whole; i < width; ++i) out[i] = fused((x[i] - mean) * factor, norm.weight[i], norm.bias[i]);
}
