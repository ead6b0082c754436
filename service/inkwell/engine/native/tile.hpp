// The inner loop of every product: ROWS x COLUMNS dot products at once, each summed in one fixed order.
#pragma once
#include "vectors.hpp"

constexpr int UNIT = 32;  // numbers in one iteration of the inner loop
// As many accumulators as fit into the registers besides the operands.
constexpr int TILE_ROWS = 4;
constexpr int TILE_COLUMNS = LANES == 16 ? 6 : 3;

// sums[r][c] += x[r] . w[c] over `length` numbers; rows are `x_stride` and `w_stride` elements apart.
// The order of additions depends only on `length`: lanes in parallel, then the sum of the lanes, then the remainder.
template <class Format, bool PREFETCH, int ROWS, int COLUMNS>
inline void tile(const float *x, int64_t x_stride, const typename Format::Element *w, int64_t w_stride, int64_t begin,
                 int64_t length, float *sums, int64_t sums_stride) {
    Floats lanes[ROWS][COLUMNS] = {};
    int64_t index = begin, end = begin + length;
    auto advance = [&](int part) __attribute__((always_inline)) {
        Floats weights[COLUMNS];
        for (int c = 0; c < COLUMNS; ++c) weights[c] = Format::at(w + c * w_stride, index + part);
        for (int r = 0; r < ROWS; ++r) {
            Floats activations = load(x + r * x_stride + index + part);
            for (int c = 0; c < COLUMNS; ++c) lanes[r][c] = fused(weights[c], activations, lanes[r][c]);
        }
    };
    for (; index + UNIT <= end; index += UNIT) {
        // For weights read directly from memory: a row is too short for the processor's own prefetcher.
        if constexpr (PREFETCH)
            for (int c = 0; c < COLUMNS; ++c) __builtin_prefetch(w + (c + COLUMNS) * w_stride + index);
#pragma GCC unroll 4
        for (int part = 0; part < UNIT; part += LANES) advance(part);
    }
    for (; index + LANES <= end; index += LANES) advance(0);
    for (int r = 0; r < ROWS; ++r)
        for (int c = 0; c < COLUMNS; ++c) {
            float total = sum(lanes[r][c]);
            for (int64_t rest = index; rest < end; ++rest)
                total = fused(Format::one(w + c * w_stride, rest), x[r * x_stride + rest], total);
            sums[r * sums_stride + c] += total;
        }
}

// The same for any number of rows and columns: as many whole tiles as fit, then smaller ones.
template <class Format, bool PREFETCH = false, int ROWS = TILE_ROWS>
inline void products(const float *x, int64_t x_stride, int64_t rows, const typename Format::Element *w,
                     int64_t w_stride, int64_t columns, int64_t begin, int64_t length, float *sums,
                     int64_t sums_stride) {
    for (; rows >= ROWS; rows -= ROWS, x += ROWS * x_stride, sums += ROWS * sums_stride) {
        int64_t c = 0;
        for (; c + TILE_COLUMNS <= columns; c += TILE_COLUMNS)
            tile<Format, PREFETCH, ROWS, TILE_COLUMNS>(x, x_stride, w + c * w_stride, w_stride, begin, length,
                                                       sums + c, sums_stride);
        for (; c < columns; ++c)
            tile<Format, PREFETCH, ROWS, 1>(x, x_stride, w + c * w_stride, w_stride, begin, length, sums + c,
                                            sums_stride);
    }
    if constexpr (ROWS > 1)
        products<Format, PREFETCH, ROWS - 1>(x, x_stride, rows, w, w_stride, columns, begin, length, sums, sums_stride);
}
