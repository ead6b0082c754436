// A linear layer: out = activation(x W^T * scale + bias), or out += the same.
//
// A row's result does not depend on the other rows, on their number, or on the number of threads: every output is
// summed by one thread, in the order of tile.hpp, in blocks of DEPTH inputs.
#include "linear.hpp"
#include "int4.hpp"
#include "tile.hpp"
#include <algorithm>
#include <vector>

namespace {

constexpr int PANEL = 24;       // outputs per task if the weights are unpacked first
constexpr int WIDE_PANEL = 96;  // outputs per task if they are not: long runs are read fastest
constexpr int DEPTH = 1024;     // inputs: PANEL x DEPTH floats fit into a core's L2 cache, TILE_ROWS x DEPTH into L1
constexpr int SLAB = 512;       // rows that share one unpacking of the weights
static_assert(PANEL % TILE_COLUMNS == 0 && WIDE_PANEL % TILE_COLUMNS == 0 && WIDE_PANEL % LANES == 0);

struct LinearArgs {
    Pool &pool;
    const LinearWeights &weights;
    const float *x;
    int64_t x_stride;
    float *out;
    int64_t out_stride;
    Epilogue epilogue;
};

void store_outputs(const LinearArgs &args, const float *sums, int64_t row, int64_t first, int64_t count) {
    alignas(64) float values[WIDE_PANEL] = {};
    for (int64_t i = 0; i < count; ++i)
        values[i] = fused(sums[i], args.weights.scale ? args.weights.scale[first + i] : 1.0f,
                          args.weights.bias ? args.weights.bias[first + i] : 0.0f);
    if (args.epilogue == Epilogue::GELU)
        for (int64_t i = 0; i < count; i += LANES) store(values + i, gelu(load(values + i)));
    float *out = args.out + row * args.out_stride + first;
    for (int64_t i = 0; i < count; ++i) out[i] = args.epilogue == Epilogue::ADD ? out[i] + values[i] : values[i];
}

// Outputs first .. first + count - 1 of `rows` rows from `row` on.
template <class Format>
void panel(const LinearArgs &args, int64_t row, int64_t rows, int64_t first, int64_t count) {
    using Element = typename Format::Element;
    thread_local float sums[SLAB * PANEL];
    alignas(64) thread_local float unpacked[PANEL * DEPTH];
    int64_t w_stride = args.weights.row_bytes / (int64_t)sizeof(Element);
    const Element *w = (const Element *)args.weights.weight + first * w_stride;
    const float *x = args.x + row * args.x_stride;
    int64_t sums_stride = rows <= TILE_ROWS ? WIDE_PANEL : PANEL;
    std::fill(sums, sums + rows * sums_stride, 0.0f);
    for (int64_t begin = 0; begin < args.weights.inputs; begin += DEPTH) {
        int64_t length = std::min<int64_t>(DEPTH, args.weights.inputs - begin);
        if (rows <= TILE_ROWS) {
            products<Format, true>(x, args.x_stride, rows, w, w_stride, count, begin, length, sums, sums_stride);
            continue;
        }
        for (int64_t c = 0; c < count; ++c) {
            int64_t i = 0;
            for (; i + LANES <= length; i += LANES)
                store(unpacked + c * DEPTH + i, Format::at(w + c * w_stride, begin + i));
            for (; i < length; ++i) unpacked[c * DEPTH + i] = Format::one(w + c * w_stride, begin + i);
        }
        products<Float32>(x + begin, args.x_stride, rows, unpacked, DEPTH, count, 0, length, sums, sums_stride);
    }
    for (int64_t r = 0; r < rows; ++r) store_outputs(args, sums + r * sums_stride, row + r, first, count);
}

// body(first output, number of outputs) for every panel of a product of `rows` rows.
template <class Body>
void for_panels(const LinearArgs &args, int64_t rows, const Body &body) {
    int64_t size = rows <= TILE_ROWS ? WIDE_PANEL : PANEL;
    args.pool.run((args.weights.outputs + size - 1) / size,
                  [&](int64_t p) { body(p * size, std::min(size, args.weights.outputs - p * size)); });
}

template <class Format>
void run(const LinearArgs &args, int64_t row, int64_t rows) {
    for_panels(args, rows, [&](int64_t first, int64_t count) { panel<Format>(args, row, rows, first, count); });
}

template <>
void run<Int4>(const LinearArgs &args, int64_t row, int64_t rows) {
    int64_t groups = args.weights.inputs / Int4::GROUP;
    std::vector<QuantizedActivations> quantized(rows * groups);
    args.pool.run(rows, [&](int64_t r) {
        for (int64_t g = 0; g < groups; ++g)
            quantize_activations(args.x + (row + r) * args.x_stride + g * Int4::GROUP, quantized[r * groups + g]);
    });
    for_panels(args, rows, [&](int64_t first, int64_t count) {
        thread_local float sums[SLAB * WIDE_PANEL];
        const uint8_t *w = (const uint8_t *)args.weights.weight + first * args.weights.row_bytes;
        products(quantized.data(), rows, w, args.weights.row_bytes, count, groups, sums, WIDE_PANEL);
        for (int64_t r = 0; r < rows; ++r) store_outputs(args, sums + r * WIDE_PANEL, row + r, first, count);
    });
}

}  // namespace

void linear(Pool &pool, const LinearWeights &weights, const float *x, int64_t x_stride, int64_t rows, float *out,
            int64_t out_stride, Epilogue epilogue) {
    LinearArgs args{pool, weights, x, x_stride, out, out_stride, epilogue};
    for (int64_t row = 0; row < rows; row += SLAB) {
        int64_t slab = std::min<int64_t>(SLAB, rows - row);
        if (weights.format == 0) run<Float32>(args, row, slab);
        if (weights.format == 1) run<BFloat16>(args, row, slab);
        if (weights.format == 2) run<Int8>(args, row, slab);
        if (weights.format == 3) run<Int4>(args, row, slab);
    }
}

extern "C" void inkwell_linear(Pool *pool, const LinearWeights *weights, const float *x, int64_t x_stride, int64_t rows,
                               float *out, int64_t out_stride, int epilogue) {
    linear(*pool, *weights, x, x_stride, rows, out, out_stride, (Epilogue)epilogue);
}
