// Causal attention over a ragged batch, directly on the slot cache: only visible keys are read, nothing is gathered.
//
// The order of every sum is fixed by the query's own position, so a token's result does not depend on how its sequence
// was split into segments, on the other segments, or on the number of threads.
#include "attention.hpp"
#include "tile.hpp"
#include <algorithm>
#include <cmath>
#include <vector>

namespace {

template <class Format>
void write_cache(const AttentionArgs &args, const Segment &segment, int64_t token, int64_t head) {
    using Element = typename Format::Element;
    int64_t row = (segment.slot * args.heads + head) * args.context + segment.start + token;
    Element *key = (Element *)args.key_cache + row * args.head_dim;
    Element *value = (Element *)args.value_cache + row * args.head_dim;
    const float *new_key = args.keys + (segment.first_token + token) * args.k_stride + head * args.head_dim;
    const float *new_value = args.values + (segment.first_token + token) * args.v_stride + head * args.head_dim;
    for (int64_t d = 0; d < args.head_dim; ++d) {
        key[d] = Format::packed(new_key[d]);
        value[d] = Format::packed(new_value[d]);
    }
}

// Replaces scores by weights e^(scale (score - largest)), with zeros from `visible` to `padded`; returns their sum.
float softmax_row(float *scores, int64_t visible, int64_t padded, float scale) {
    std::fill(scores + visible, scores + padded, -INFINITY);
    Floats maxima = load(scores);
    for (int64_t j = LANES; j < visible; j += LANES) {
        Floats next = load(scores + j);
        maxima = next > maxima ? next : maxima;
    }
    Floats peak = broadcast(largest(maxima)), total = {};
    for (int64_t j = 0; j < visible; j += LANES) store(scores + j, exp((load(scores + j) - peak) * scale));
    std::fill(scores + visible, scores + padded, 0.0f);
    for (int64_t j = 0; j < visible; j += LANES) total += load(scores + j);
    return sum(total);
}

// out[r][d] = inverse_sums[r] * sum over j of weights[r][j] value[j][d], in ascending order of j, for VECTORS registers
// of d beginning at `d`.
template <class Format, int ROWS, int VECTORS>
void weighted_values(const float *weights, int64_t stride, const typename Format::Element *values, int64_t count,
                     int64_t head_dim, int64_t d, const float *inverse_sums, float *out, int64_t out_stride) {
    Floats total[ROWS][VECTORS] = {};
    for (int64_t j = 0; j < count; ++j)
        for (int v = 0; v < VECTORS; ++v) {
            Floats value = Format::at(values + j * head_dim, d + v * LANES);
            for (int r = 0; r < ROWS; ++r) total[r][v] = fused(broadcast(weights[r * stride + j]), value, total[r][v]);
        }
    for (int r = 0; r < ROWS; ++r)
        for (int v = 0; v < VECTORS; ++v) store(out + r * out_stride + d + v * LANES, total[r][v] * inverse_sums[r]);
}

// The same for all d.
template <class Format, int ROWS>
void all_weighted_values(const float *weights, int64_t stride, const typename Format::Element *values, int64_t count,
                         int64_t head_dim, const float *inverse_sums, float *out, int64_t out_stride) {
    constexpr int WIDE = 8 / ROWS;
    int64_t d = 0;
    for (; d + WIDE * LANES <= head_dim; d += WIDE * LANES)
        weighted_values<Format, ROWS, WIDE>(weights, stride, values, count, head_dim, d, inverse_sums, out, out_stride);
    for (; d + LANES <= head_dim; d += LANES)
        weighted_values<Format, ROWS, 1>(weights, stride, values, count, head_dim, d, inverse_sums, out, out_stride);
    for (; d < head_dim; ++d)
        for (int r = 0; r < ROWS; ++r) {
            float total = 0;
            for (int64_t j = 0; j < count; ++j)
                total = fused(weights[r * stride + j], Format::one(values + j * head_dim, d), total);
            out[r * out_stride + d] = total * inverse_sums[r];
        }
}

// ROWS consecutive queries of one head, the first at position `first` of its sequence.
template <class Format, int ROWS>
void attend(const AttentionArgs &args, const Segment &segment, int64_t head, int64_t first) {
    using Element = typename Format::Element;
    thread_local std::vector<float> scores;
    int64_t visible = first + ROWS, stride = (visible + LANES - 1) / LANES * LANES;
    int64_t token = segment.first_token + first - segment.start;
    int64_t cache_offset = (segment.slot * args.heads + head) * args.context * args.head_dim;
    scores.assign(ROWS * stride, 0.0f);
    products<Format, false, ROWS>(args.queries + token * args.q_stride + head * args.head_dim, args.q_stride, ROWS,
                                  (const Element *)args.key_cache + cache_offset, args.head_dim, visible, 0,
                                  args.head_dim, scores.data(), stride);
    float inverse_sums[ROWS];
    for (int r = 0; r < ROWS; ++r)
        inverse_sums[r] = 1.0f / softmax_row(scores.data() + r * stride, first + r + 1, stride, args.scale);
    all_weighted_values<Format, ROWS>(scores.data(), stride, (const Element *)args.value_cache + cache_offset, visible,
                                      args.head_dim, inverse_sums,
                                      args.out + (token * args.heads + head) * args.head_dim,
                                      args.heads * args.head_dim);
}

template <class Format>
void run(Pool &pool, const AttentionArgs &args) {
    struct Task {
        const Segment *segment;
        int64_t head, first, rows;
    };
    std::vector<Task> tasks;
    for (const Segment *segment = args.segments; segment < args.segments + args.segment_count; ++segment) {
        for (int64_t head = 0; head < args.heads; ++head)
            for (int64_t done = 0; done < segment->length; done += TILE_ROWS) {
                int64_t rows = std::min<int64_t>(TILE_ROWS, segment->length - done);
                tasks.push_back({segment, head, segment->start + done, rows});
            }
    }
    pool.run(tasks.size(), [&](int64_t i) {
        for (int64_t r = 0; r < tasks[i].rows; ++r)
            write_cache<Format>(args, *tasks[i].segment, tasks[i].first - tasks[i].segment->start + r, tasks[i].head);
    });
    pool.run(tasks.size(), [&](int64_t i) {
        const Task &task = tasks[i];
        if (task.rows == 4) attend<Format, 4>(args, *task.segment, task.head, task.first);
        if (task.rows == 3) attend<Format, 3>(args, *task.segment, task.head, task.first);
        if (task.rows == 2) attend<Format, 2>(args, *task.segment, task.head, task.first);
        if (task.rows == 1) attend<Format, 1>(args, *task.segment, task.head, task.first);
    });
}

}  // namespace

void attention(Pool &pool, const AttentionArgs &args) {
    if (args.format == 0) run<Float32>(pool, args);
    if (args.format == 1) run<BFloat16>(pool, args);
}

extern "C" void inkwell_attention(Pool *pool, const AttentionArgs *args) { attention(*pool, *args); }
