// The interface of attention for the other kernels.
#pragma once
#include "pool.hpp"

// Positions start .. start + length - 1 of the sequence in cache slot `slot`; `first_token` is the batch index of the
// first of them.
struct Segment {
    int64_t slot, start, length, first_token;
};

// One layer's attention for the tokens of a batch, filled by Python (structs.py).
struct AttentionArgs {
    const float *queries, *keys, *values;  // [tokens, heads, head_dim], with `*_stride` floats from token to token
    int64_t q_stride, k_stride, v_stride;
    void *key_cache, *value_cache;  // [slots, heads, context, head_dim]
    int64_t format;                 // of the cache: 0 Float32, 1 BFloat16
    int64_t context;
    float *out;  // [tokens, heads, head_dim], contiguous
    const Segment *segments;
    int64_t segment_count, heads, head_dim;
    float scale;
};

// Writes the keys and values of every segment's tokens into the cache, then attends.
void attention(Pool &pool, const AttentionArgs &args);
