// A linear layer: out = activation(x W^T * scale + bias), or out += the same.
//
// A row's result does not depend on the other rows, on how many there are, or on the number of threads: every output is
// one thread's sum, in the order that tile.hpp gives it, over pieces of DEPTH inputs.
#include "linear.hpp"
#include "int4.hpp"
#include "tile.hpp"
#include <algorithm>
#include <vector>

namespace {

constexpr int PANEL = 24;    // outputs that a thread takes at a time when their weights are unpacked
constexpr int LONG = 96;     // and when they are not: memory is read fastest in long runs
constexpr int DEPTH = 1024;  // inputs: PANEL x DEPTH floats fit into a core's second cache, TILE_ROWS x DEPTH its first
constexpr int SLAB = 512;    // rows that share one unpacking of the weights
static_assert(PANEL % TILE_COLUMNS == 0 && LONG % TILE_COLUMNS == 0 && LONG % LANES == 0);

struct Layer {
    Pool &pool;
    const Matrix &matrix;
    const float *x;
    int64_t x_step;
    float *out;
    int64_t out_step;
    Then then;
};

void finish(const Layer &layer, const float *sums, int64_t row, int64_t first, int64_t count) {
    alignas(64) float values[LONG] = {};
    for (int64_t i = 0; i < count; ++i)
        values[i] = fused(sums[i], layer.matrix.scale ? layer.matrix.scale[first + i] : 1.0f,
                          layer.matrix.bias ? layer.matrix.bias[first + i] : 0.0f);
    if (layer.then == Then::GELU)
        for (int64_t i = 0; i < count; i += LANES) store(values + i, gelu(load(values + i)));
    float *out = layer.out + row * layer.out_step + first;
    for (int64_t i = 0; i < count; ++i) out[i] = layer.then == Then::ADD ? out[i] + values[i] : values[i];
}

// Outputs first .. first + count of `rows` rows that begin at `row`.
template <class Format>
void panel(const Layer &layer, int64_t row, int64_t rows, int64_t first, int64_t count) {
    using Element = typename Format::Element;
    thread_local float sums[SLAB * PANEL];
    alignas(64) thread_local float unpacked[PANEL * DEPTH];
    int64_t step = layer.matrix.row_bytes / (int64_t)sizeof(Element);
    const Element *weights = (const Element *)layer.matrix.weights + first * step;
    const float *x = layer.x + row * layer.x_step;
    int64_t sums_step = rows <= TILE_ROWS ? LONG : PANEL;
    std::fill(sums, sums + rows * sums_step, 0.0f);
    for (int64_t begin = 0; begin < layer.matrix.inputs; begin += DEPTH) {
        int64_t length = std::min<int64_t>(DEPTH, layer.matrix.inputs - begin);
        if (rows <= TILE_ROWS) {
            products<Format, true>(x, layer.x_step, rows, weights, step, count, begin, length, sums, sums_step);
            continue;
        }
        for (int64_t c = 0; c < count; ++c) {
            int64_t i = 0;
            for (; i + LANES <= length; i += LANES)
                store(unpacked + c * DEPTH + i, Format::at(weights + c * step, begin + i));
            for (; i < length; ++i) unpacked[c * DEPTH + i] = Format::one(weights + c * step, begin + i);
        }
        products<Float32>(x + begin, layer.x_step, rows, unpacked, DEPTH, count, 0, length, sums, sums_step);
    }
    for (int64_t r = 0; r < rows; ++r) finish(layer, sums + r * sums_step, row + r, first, count);
}

// body(first output, outputs) for every panel of a product of `rows` rows.
template <class Body>
void for_panels(const Layer &layer, int64_t rows, const Body &body) {
    int64_t size = rows <= TILE_ROWS ? LONG : PANEL;
    layer.pool.run((layer.matrix.outputs + size - 1) / size,
                   [&](int64_t p) { body(p * size, std::min(size, layer.matrix.outputs - p * size)); });
}

template <class Format>
void run(const Layer &layer, int64_t row, int64_t rows) {
    for_panels(layer, rows, [&](int64_t first, int64_t count) { panel<Format>(layer, row, rows, first, count); });
}

template <>
void run<Int4>(const Layer &layer, int64_t row, int64_t rows) {
    int64_t groups = layer.matrix.inputs / Int4::GROUP;
    std::vector<Activations> rounded(rows * groups);
    layer.pool.run(rows, [&](int64_t r) {
        for (int64_t g = 0; g < groups; ++g)
            round_to_bytes(layer.x + (row + r) * layer.x_step + g * Int4::GROUP, rounded[r * groups + g]);
    });
    for_panels(layer, rows, [&](int64_t first, int64_t count) {
        thread_local float sums[SLAB * LONG];
        const uint8_t *weights = (const uint8_t *)layer.matrix.weights + first * layer.matrix.row_bytes;
        products(rounded.data(), rows, weights, layer.matrix.row_bytes, count, groups, sums, LONG);
        for (int64_t r = 0; r < rows; ++r) finish(layer, sums + r * LONG, row + r, first, count);
    });
}

}  // namespace

void linear(Pool &pool, const Matrix &matrix, const float *x, int64_t x_step, int64_t rows, float *out,
            int64_t out_step, Then then) {
    Layer layer{pool, matrix, x, x_step, out, out_step, then};
    for (int64_t row = 0; row < rows; row += SLAB) {
        int64_t slab = std::min<int64_t>(SLAB, rows - row);
        if (matrix.format == 0) run<Float32>(layer, row, slab);
        if (matrix.format == 1) run<BFloat16>(layer, row, slab);
        if (matrix.format == 2) run<Int8>(layer, row, slab);
        if (matrix.format == 3) run<Int4>(layer, row, slab);
    }
}

extern "C" void inkwell_linear(Pool *pool, const Matrix *matrix, const float *x, int64_t x_step, int64_t rows,
                               float *out, int64_t out_step, int then) {
    linear(*pool, *matrix, x, x_step, rows, out, out_step, (Then)then);
}
