// Attention as the other kernels call it.
#pragma once
#include "pool.hpp"

struct Span {
    int64_t slot, start, length, first_token;
};

// One layer's attention for the tokens of a step.
struct Heads {
    const float *queries, *keys, *values;  // [tokens, heads, head_dim], `*_step` floats from token to token
    int64_t q_step, k_step, v_step;
    void *key_cache, *value_cache;  // [slots, heads, context, head_dim]
    int64_t format;                 // of the cache: 0 Float32, 1 BFloat16
    int64_t context;
    float *out;  // [tokens, heads, head_dim], contiguous
    const Span *spans;
    int64_t span_count, heads, head_dim;
    float scale;
};

// Writes the keys and values of every span's tokens into the cache, then attends.
void attention(Pool &pool, const Heads &layer);
