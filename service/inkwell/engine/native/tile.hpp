// The sums that every product is made of: ROWS x COLUMNS dot products at once, each in one fixed order.
#pragma once
#include "vectors.hpp"

// As many accumulators as the registers hold beside the operands.
constexpr int UNIT = 32;  // numbers of one turn of the inner loop
constexpr int TILE_ROWS = 4;
constexpr int TILE_COLUMNS = LANES == 16 ? 6 : 3;

// sums[r][c] += x[r] . w[c] over `length` numbers, with `x_step` and `w_step` elements from row to row.
// The order of additions depends on `length` alone: lanes side by side, then the lanes' sum, then what is left over.
template <class Format, bool AHEAD, int ROWS, int COLUMNS>
inline void tile(const float *x, int64_t x_step, const typename Format::Element *w, int64_t w_step, int64_t begin,
                 int64_t length, float *sums, int64_t sums_step) {
    Floats lanes[ROWS][COLUMNS] = {};
    int64_t place = begin, end = begin + length;
    auto advance = [&](int part) __attribute__((always_inline)) {
        Floats weights[COLUMNS];
        for (int c = 0; c < COLUMNS; ++c) weights[c] = Format::at(w + c * w_step, place + part);
        for (int r = 0; r < ROWS; ++r) {
            Floats activations = load(x + r * x_step + place + part);
            for (int c = 0; c < COLUMNS; ++c) lanes[r][c] = fused(weights[c], activations, lanes[r][c]);
        }
    };
    for (; place + UNIT <= end; place += UNIT) {
        // Weights straight from memory: a row is too short for the processor to guess where the next ones begin.
        if constexpr (AHEAD)
            for (int c = 0; c < COLUMNS; ++c) __builtin_prefetch(w + (c + COLUMNS) * w_step + place);
#pragma GCC unroll 4
        for (int part = 0; part < UNIT; part += LANES) advance(part);
    }
    for (; place + LANES <= end; place += LANES) advance(0);
    for (int r = 0; r < ROWS; ++r)
        for (int c = 0; c < COLUMNS; ++c) {
            float total = sum(lanes[r][c]);
            for (int64_t rest = place; rest < end; ++rest)
                total = fused(Format::one(w + c * w_step, rest), x[r * x_step + rest], total);
            sums[r * sums_step + c] += total;
        }
}

// The same for any number of rows and columns: as many whole tiles as fit, then smaller ones.
template <class Format, bool AHEAD = false, int ROWS = TILE_ROWS>
inline void products(const float *x, int64_t x_step, int64_t rows, const typename Format::Element *w, int64_t w_step,
                     int64_t columns, int64_t begin, int64_t length, float *sums, int64_t sums_step) {
    for (; rows >= ROWS; rows -= ROWS, x += ROWS * x_step, sums += ROWS * sums_step) {
        int64_t c = 0;
        for (; c + TILE_COLUMNS <= columns; c += TILE_COLUMNS)
            tile<Format, AHEAD, ROWS, TILE_COLUMNS>(x, x_step, w + c * w_step, w_step, begin, length, sums + c,
                                                    sums_step);
        for (; c < columns; ++c)
            tile<Format, AHEAD, ROWS, 1>(x, x_step, w + c * w_step, w_step, begin, length, sums + c, sums_step);
    }
    if constexpr (ROWS > 1)
        products<Format, AHEAD, ROWS - 1>(x, x_step, rows, w, w_step, columns, begin, length, sums, sums_step);
}
