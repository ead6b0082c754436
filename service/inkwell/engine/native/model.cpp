// One pass through all layers of GPT-2 or GPT-J in one call: with seven calls per block from Python, the calls took a
// fifth of the time of a batch of one row.
//
// No sum here runs across tokens, so a token's bits depend only on its own sequence. The same holds for the kernels
// that are called.
#include "attention.hpp"
#include "linear.hpp"
#include "norm.hpp"
#include <algorithm>

namespace {

// Filled by Python (structs.py): eight bytes per field.
struct BlockWeights {
    NormWeights norm, mlp_norm;  // without an `mlp_norm`, attention and MLP run in parallel after `norm`, as in GPT-J
    LinearWeights qkv, out, up, down;
    double scale;  // of the attention scores
};

struct ModelWeights {
    const BlockWeights *blocks;
    int64_t block_count;
    NormWeights norm;  // after the last block
    double epsilon;
    int64_t width, inner, heads, context;
    const float *positions;  // [context, width], added to the input, or null
    const float *cos, *sin;  // [context, rotary_dim / 2], of the rotation of queries and keys, or null
    int64_t rotary_dim;
};

struct Batch {
    const Segment *segments;
    int64_t segment_count, tokens;
    void *const *caches;  // [layers, 2]: keys, values
    int64_t cache_format;
    float *hidden;   // [tokens, width], input and output
    float *scratch;  // inkwell_scratch_floats for each token
};

struct ForwardPass {
    Pool &pool;
    const ModelWeights &model;
    const Batch &batch;
    float *normed = batch.scratch;                          // [tokens, width]
    float *attended = normed + batch.tokens * model.width;  // [tokens, width], output of the attention
    float *qkv = attended + batch.tokens * model.width;     // [tokens, 3 width]
    float *up = attended;                                   // [tokens, inner], reuses the memory of those two

    // body(token, position) for every token of the batch.
    template <class Body>
    void for_tokens(const Body &body) const {
        for (const Segment *segment = batch.segments; segment < batch.segments + batch.segment_count; ++segment)
            for_rows(segment->length, [&](int64_t i) { body(segment->first_token + i, segment->start + i); });
    }

    // body(row) for every row, several rows per task: computing a single row takes less time than waking a thread.
    template <class Body>
    void for_rows(int64_t rows, const Body &body) const {
        constexpr int64_t ROWS_PER_TASK = 8;
        pool.run((rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK, [&](int64_t task) {
            for (int64_t row = task * ROWS_PER_TASK; row < std::min(rows, (task + 1) * ROWS_PER_TASK); ++row) body(row);
        });
    }

    void apply(const NormWeights &norm, float *out) const {
        for_rows(batch.tokens, [&](int64_t row) {
            normalize(norm, (float)model.epsilon, batch.hidden + row * model.width, model.width,
                      out + row * model.width);
        });
    }

    void apply(const LinearWeights &weights, const float *x, float *out, Epilogue epilogue) const {
        linear(pool, weights, x, weights.inputs, batch.tokens, out, weights.outputs, epilogue);
    }

    void add_positions() const {
        for_tokens([&](int64_t token, int64_t position) {
            float *hidden = batch.hidden + token * model.width;
            const float *learned = model.positions + position * model.width;
            for (int64_t i = 0; i < model.width; ++i) hidden[i] += learned[i];
        });
    }

    // Rotates neighbouring pairs of the first dimensions of every query and key.
    void rotate() const {
        int64_t head_dim = model.width / model.heads, pairs = model.rotary_dim / 2;
        for_tokens([&](int64_t token, int64_t position) {
            const float *cos = model.cos + position * pairs, *sin = model.sin + position * pairs;
            float *head = qkv + token * 3 * model.width;
            for (int64_t h = 0; h < 2 * model.heads; ++h, head += head_dim)
                for (int64_t i = 0; i < pairs; ++i) {
                    float even = head[2 * i], odd = head[2 * i + 1];
                    head[2 * i] = even * cos[i] - odd * sin[i];
                    head[2 * i + 1] = odd * cos[i] + even * sin[i];
                }
        });
    }

    void attend(int64_t layer) const {
        int64_t w = model.width;
        attention(pool, {qkv, qkv + w, qkv + 2 * w, 3 * w, 3 * w, 3 * w, batch.caches[2 * layer],
                         batch.caches[2 * layer + 1], batch.cache_format, model.context, attended, batch.segments,
                         batch.segment_count, model.heads, w / model.heads, (float)model.blocks[layer].scale});
    }

    void run() const {
        if (model.positions) add_positions();
        for (int64_t layer = 0; layer < model.block_count; ++layer) {
            const BlockWeights &block = model.blocks[layer];
            apply(block.norm, normed);
            apply(block.qkv, normed, qkv, Epilogue::STORE);
            if (model.cos) rotate();
            attend(layer);
            apply(block.out, attended, batch.hidden, Epilogue::ADD);
            if (block.mlp_norm.weight) apply(block.mlp_norm, normed);
            apply(block.up, normed, up, Epilogue::GELU);
            apply(block.down, up, batch.hidden, Epilogue::ADD);
        }
        apply(model.norm, batch.hidden);
    }
};

}  // namespace

// Embedded tokens to hidden states after the last norm, in place; writes keys and values to the caches.
extern "C" void inkwell_forward(Pool *pool, const ModelWeights *model, const Batch *batch) {
    ForwardPass{*pool, *model, *batch}.run();
}

// Floats of scratch memory per token: `normed`, plus the larger of `attended` with `qkv` and `up`, which share memory.
extern "C" int64_t inkwell_scratch_floats(const ModelWeights *model) {
    return model->width + std::max(4 * model->width, model->inner);
}
