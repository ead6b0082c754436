// Causal attention over a ragged batch, straight from the slot cache: live keys alone are read, nothing is gathered.
//
// Each query's numbers come in an order that its own position fixes, so a token's result does not depend on how its
// sequence was cut into spans, on the other spans, or on the number of threads.
#include "attention.hpp"
#include "tile.hpp"
#include <algorithm>
#include <cmath>
#include <vector>

namespace {

template <class Format>
void write_cache(const Heads &layer, const Span &span, int64_t token, int64_t head) {
    using Element = typename Format::Element;
    int64_t row = (span.slot * layer.heads + head) * layer.context + span.start + token;
    Element *key = (Element *)layer.key_cache + row * layer.head_dim;
    Element *value = (Element *)layer.value_cache + row * layer.head_dim;
    const float *new_key = layer.keys + (span.first_token + token) * layer.k_step + head * layer.head_dim;
    const float *new_value = layer.values + (span.first_token + token) * layer.v_step + head * layer.head_dim;
    for (int64_t d = 0; d < layer.head_dim; ++d) {
        key[d] = Format::packed(new_key[d]);
        value[d] = Format::packed(new_value[d]);
    }
}

// Scores become weights e^(scale (score - largest)), zero behind the `visible` ones up to `padded`; gives their sum.
float soften(float *scores, int64_t visible, int64_t padded, float scale) {
    std::fill(scores + visible, scores + padded, -INFINITY);
    Floats most = load(scores);
    for (int64_t j = LANES; j < visible; j += LANES) {
        Floats next = load(scores + j);
        most = next > most ? next : most;
    }
    Floats peak = broadcast(largest(most)), total = {};
    for (int64_t j = 0; j < visible; j += LANES) store(scores + j, exp((load(scores + j) - peak) * scale));
    std::fill(scores + visible, scores + padded, 0.0f);
    for (int64_t j = 0; j < visible; j += LANES) total += load(scores + j);
    return sum(total);
}

// out[r][d] = sum over j of weights[r][j] value[j][d], j rising, for VECTORS registers of d beginning at `d`.
template <class Format, int ROWS, int VECTORS>
void mix(const float *weights, int64_t step, const typename Format::Element *values, int64_t count, int64_t head_dim,
         int64_t d, const float *shares, float *out, int64_t out_step) {
    Floats mixed[ROWS][VECTORS] = {};
    for (int64_t j = 0; j < count; ++j)
        for (int v = 0; v < VECTORS; ++v) {
            Floats value = Format::at(values + j * head_dim, d + v * LANES);
            for (int r = 0; r < ROWS; ++r) mixed[r][v] = fused(broadcast(weights[r * step + j]), value, mixed[r][v]);
        }
    for (int r = 0; r < ROWS; ++r)
        for (int v = 0; v < VECTORS; ++v) store(out + r * out_step + d + v * LANES, mixed[r][v] * shares[r]);
}

template <class Format, int ROWS>
void mix_all(const float *weights, int64_t step, const typename Format::Element *values, int64_t count,
             int64_t head_dim, const float *shares, float *out, int64_t out_step) {
    constexpr int WIDE = 8 / ROWS;
    int64_t d = 0;
    for (; d + WIDE * LANES <= head_dim; d += WIDE * LANES)
        mix<Format, ROWS, WIDE>(weights, step, values, count, head_dim, d, shares, out, out_step);
    for (; d + LANES <= head_dim; d += LANES)
        mix<Format, ROWS, 1>(weights, step, values, count, head_dim, d, shares, out, out_step);
    for (; d < head_dim; ++d)
        for (int r = 0; r < ROWS; ++r) {
            float mixed = 0;
            for (int64_t j = 0; j < count; ++j)
                mixed = fused(weights[r * step + j], Format::one(values + j * head_dim, d), mixed);
            out[r * out_step + d] = mixed * shares[r];
        }
}

// ROWS neighbouring queries of one head, the first at position `first` of its sequence.
template <class Format, int ROWS>
void attend(const Heads &layer, const Span &span, int64_t head, int64_t first) {
    using Element = typename Format::Element;
    thread_local std::vector<float> scores;
    int64_t visible = first + ROWS, step = (visible + LANES - 1) / LANES * LANES;
    int64_t token = span.first_token + first - span.start;
    int64_t place = (span.slot * layer.heads + head) * layer.context * layer.head_dim;
    scores.assign(ROWS * step, 0.0f);
    products<Format, false, ROWS>(layer.queries + token * layer.q_step + head * layer.head_dim, layer.q_step, ROWS,
                           (const Element *)layer.key_cache + place, layer.head_dim, visible, 0, layer.head_dim,
                           scores.data(), step);
    float shares[ROWS];
    for (int r = 0; r < ROWS; ++r)
        shares[r] = 1.0f / soften(scores.data() + r * step, first + r + 1, step, layer.scale);
    mix_all<Format, ROWS>(scores.data(), step, (const Element *)layer.value_cache + place, visible, layer.head_dim,
                          shares, layer.out + (token * layer.heads + head) * layer.head_dim,
                          layer.heads * layer.head_dim);
}

template <class Format>
void run(Pool &pool, const Heads &layer) {
    struct Task {
        const Span *span;
        int64_t head, first, rows;
    };
    std::vector<Task> tasks;
    for (const Span *span = layer.spans; span < layer.spans + layer.span_count; ++span) {
        for (int64_t head = 0; head < layer.heads; ++head)
            for (int64_t done = 0; done < span->length; done += TILE_ROWS)
                tasks.push_back({span, head, span->start + done, std::min<int64_t>(TILE_ROWS, span->length - done)});
    }
    pool.run(tasks.size(), [&](int64_t i) {
        for (int64_t r = 0; r < tasks[i].rows; ++r)
            write_cache<Format>(layer, *tasks[i].span, tasks[i].first - tasks[i].span->start + r, tasks[i].head);
    });
    pool.run(tasks.size(), [&](int64_t i) {
        const Task &task = tasks[i];
        if (task.rows == 4) attend<Format, 4>(layer, *task.span, task.head, task.first);
        if (task.rows == 3) attend<Format, 3>(layer, *task.span, task.head, task.first);
        if (task.rows == 2) attend<Format, 2>(layer, *task.span, task.head, task.first);
        if (task.rows == 1) attend<Format, 1>(layer, *task.span, task.head, task.first);
    });
}

}  // namespace

void attention(Pool &pool, const Heads &layer) {
    if (layer.format == 0) run<Float32>(pool, layer);
    if (layer.format == 1) run<BFloat16>(pool, layer);
}

extern "C" void inkwell_attention(Pool *pool, const Heads *layer) { attention(*pool, *layer); }
