// One pass through all layers of GPT-2 or GPT-J in one call: seven calls a block from Python took a fifth of a step of
// one row.
//
// Nothing here adds up across tokens, so a token's bits depend on its sequence alone, as in the kernels below.
#include "attention.hpp"
#include "linear.hpp"
#include "norm.hpp"
#include <algorithm>

namespace {

// As Python lays them out (program.py): eight bytes a field.
struct Block {
    Norm norm, mlp_norm;  // without an `mlp_norm` attention and MLP stand side by side behind `norm`, as in GPT-J
    Matrix qkv, out, up, down;
    double scale;  // of the scores
};

struct Model {
    const Block *blocks;
    int64_t count;
    Norm norm;  // behind the last block
    double epsilon;
    int64_t width, inner, heads, context;
    const float *positions;  // [context, width], added to the input, or null
    const float *cos, *sin;  // [context, rotary_dim / 2], by which queries and keys turn, or null
    int64_t rotary_dim;
};

struct Step {
    const Span *spans;
    int64_t span_count, tokens;
    void *const *caches;  // [layers, 2]: keys, values
    int64_t cache_format;
    float *hidden;   // [tokens, width], input and output
    float *scratch;  // scratch_floats a token
};

struct Pass {
    Pool &pool;
    const Model &model;
    const Step &step;
    float *normed = step.scratch;                       // [tokens, width]
    float *mixed = normed + step.tokens * model.width;  // [tokens, width], what attention gives
    float *qkv = mixed + step.tokens * model.width;     // [tokens, 3 width]
    float *up = mixed;                                  // [tokens, inner], when those two are no longer needed

    // body(token, its position) for every token of the step.
    template <class Body>
    void for_tokens(const Body &body) const {
        for (const Span *span = step.spans; span < step.spans + step.span_count; ++span)
            for_rows(span->length, [&](int64_t i) { body(span->first_token + i, span->start + i); });
    }

    // body(row) for every row, some at a time: one alone takes less than a thread needs to hear of it.
    template <class Body>
    void for_rows(int64_t rows, const Body &body) const {
        constexpr int64_t SOME = 8;
        pool.run((rows + SOME - 1) / SOME, [&](int64_t part) {
            for (int64_t row = part * SOME; row < std::min(rows, (part + 1) * SOME); ++row) body(row);
        });
    }

    void apply(const Norm &norm, float *out) const {
        for_rows(step.tokens, [&](int64_t row) {
            normalize(norm, (float)model.epsilon, step.hidden + row * model.width, model.width,
                      out + row * model.width);
        });
    }

    void apply(const Matrix &matrix, const float *x, float *out, Then then) const {
        linear(pool, matrix, x, matrix.inputs, step.tokens, out, matrix.outputs, then);
    }

    void add_positions() const {
        for_tokens([&](int64_t token, int64_t position) {
            float *hidden = step.hidden + token * model.width;
            const float *learned = model.positions + position * model.width;
            for (int64_t i = 0; i < model.width; ++i) hidden[i] += learned[i];
        });
    }

    // Turns neighbouring pairs of the first dimensions of every query and key.
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
        attention(pool, {qkv, qkv + w, qkv + 2 * w, 3 * w, 3 * w, 3 * w, step.caches[2 * layer],
                         step.caches[2 * layer + 1], step.cache_format, model.context, mixed, step.spans,
                         step.span_count, model.heads, w / model.heads, (float)model.blocks[layer].scale});
    }

    void run() const {
        if (model.positions) add_positions();
        for (int64_t layer = 0; layer < model.count; ++layer) {
            const Block &block = model.blocks[layer];
            apply(block.norm, normed);
            apply(block.qkv, normed, qkv, Then::STORE);
            if (model.cos) rotate();
            attend(layer);
            apply(block.out, mixed, step.hidden, Then::ADD);
            if (block.mlp_norm.weight) apply(block.mlp_norm, normed);
            apply(block.up, normed, up, Then::GELU);
            apply(block.down, up, step.hidden, Then::ADD);
        }
        apply(model.norm, step.hidden);
    }
};

}  // namespace

// Hidden states behind the last norm, from embedded tokens, in place; fills the cache.
extern "C" void inkwell_layers(Pool *pool, const Model *model, const Step *step) {
    Pass{*pool, *model, *step}.run();
}

// Floats of scratch memory that a token needs: `normed`, and either `mixed` and `qkv` or `up`.
extern "C" int64_t inkwell_scratch(const Model *model) {
    return model->width + std::max(4 * model->width, model->inner);
}
