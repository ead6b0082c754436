// Products with 4-bit weights: activations are quantised to 8 bits in the same groups, so that the sums are integers.
//
// Unpacking 4-bit weights to floats takes longer than reading them from memory, whereas 32 products of bytes take two
// instructions. A group of weights is 18 bytes: its scale in bfloat16, then 16 bytes, of which byte i holds number i in
// its low half and number i + 16 in its high half, each with an offset of 8.
#pragma once
#include "vectors.hpp"

struct Int4 {
    static constexpr int GROUP = 32, GROUP_BYTES = 18;
};

// 32 activations: `scale` times `numbers`. `offset` cancels the offset of 8 of every weight, lane by lane.
struct QuantizedActivations {
    int8_t numbers[Int4::GROUP];
    int32_t offset[8];
    float scale;
};

inline __m256i dot_bytes(__m256i unsigned_bytes, __m256i signed_bytes) {  // 8 lanes, each a sum of 4 products
    return _mm256_madd_epi16(_mm256_maddubs_epi16(unsigned_bytes, signed_bytes), _mm256_set1_epi16(1));
}

inline void quantize_activations(const float *x, QuantizedActivations &group) {
    float maximum = 0, total = 0;
    for (int i = 0; i < Int4::GROUP; ++i) {
        float size = __builtin_fabsf(x[i]);
        maximum = size > maximum ? size : maximum;
        total += x[i];
    }
    float steps = maximum > 0 ? 127 / maximum : 0;
    for (int i = 0; i < Int4::GROUP; ++i) group.numbers[i] = (int8_t)__builtin_lrintf(x[i] * steps);
    group.scale = maximum / 127 + 0 * total;  // NaN if one of the activations is not finite
    __m256i correction = dot_bytes(_mm256_set1_epi8(8), _mm256_loadu_si256((const __m256i *)group.numbers));
    _mm256_storeu_si256((__m256i *)group.offset, _mm256_sub_epi32(_mm256_setzero_si256(), correction));
}

// sums[r][c] = x[r] . w[c] over `groups` groups, in the same order for every tile size.
template <int ROWS, int COLUMNS>
inline void tile(const QuantizedActivations *x, const uint8_t *w, int64_t w_stride, int64_t groups, float *sums,
                 int64_t sums_stride) {
    __m256 lanes[ROWS][COLUMNS] = {};
    for (int64_t g = 0; g < groups; ++g)
        for (int c = 0; c < COLUMNS; ++c) {
            const uint8_t *group = w + c * w_stride + g * Int4::GROUP_BYTES;
            __builtin_prefetch(group + COLUMNS * w_stride);
            __m128i halves = _mm_loadu_si128((const __m128i *)(group + 2));
            __m256i both = _mm256_set_m128i(_mm_srli_epi16(halves, 4), halves);
            __m256i numbers = _mm256_and_si256(both, _mm256_set1_epi8(15));
            uint16_t scale;
            std::memcpy(&scale, group, 2);
            float one = BFloat16::one(&scale, 0);
            for (int r = 0; r < ROWS; ++r) {
                const QuantizedActivations &part = x[r * groups + g];
                __m256i whole = dot_bytes(numbers, _mm256_loadu_si256((const __m256i *)part.numbers));
                whole = _mm256_add_epi32(whole, _mm256_loadu_si256((const __m256i *)part.offset));
                lanes[r][c] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), _mm256_set1_ps(one * part.scale), lanes[r][c]);
            }
        }
    for (int r = 0; r < ROWS; ++r)
        for (int c = 0; c < COLUMNS; ++c) sums[r * sums_stride + c] = sum_of_eight(lanes[r][c]);
}

// The same for any number of rows and columns.
template <int ROWS = 4>
inline void products(const QuantizedActivations *x, int64_t rows, const uint8_t *w, int64_t w_stride, int64_t columns,
                     int64_t groups, float *sums, int64_t sums_stride) {
    constexpr int COLUMNS = 2;
    for (; rows >= ROWS; rows -= ROWS, x += ROWS * groups, sums += ROWS * sums_stride) {
        int64_t c = 0;
        for (; c + COLUMNS <= columns; c += COLUMNS)
            tile<ROWS, COLUMNS>(x, w + c * w_stride, w_stride, groups, sums + c, sums_stride);
        for (; c < columns; ++c) tile<ROWS, 1>(x, w + c * w_stride, w_stride, groups, sums + c, sums_stride);
    }
    if constexpr (ROWS > 1) products<ROWS - 1>(x, rows, w, w_stride, columns, groups, sums, sums_stride);
}
