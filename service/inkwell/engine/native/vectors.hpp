// Vectors of floats as wide as the processor's registers, and three formats of weights; int4.hpp has a fourth.
//
// A `Format` converts stored numbers to the same floats everywhere, so a product that reads weights directly has the
// same bits as one that unpacks them first.
#pragma once
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <immintrin.h>

#if defined(__AVX512F__)
constexpr int LANES = 16;
#else
constexpr int LANES = 8;
#endif

typedef float Floats __attribute__((vector_size(LANES * 4)));
typedef int32_t Ints __attribute__((vector_size(LANES * 4)));

inline Floats load(const float *from) {
    Floats vector;
    std::memcpy(&vector, from, sizeof vector);
    return vector;
}

inline void store(float *to, Floats vector) { std::memcpy(to, &vector, sizeof vector); }

inline Floats broadcast(float value) { return value - Floats{}; }

// a * b + c, rounded once. Always called explicitly: if the compiler chose, some sums would be rounded twice.
inline float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
#if defined(__AVX512F__)
inline Floats fused(Floats a, Floats b, Floats c) { return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
#else
inline Floats fused(Floats a, Floats b, Floats c) { return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#endif

// Sign-extend LANES bytes, zero-extend LANES 16-bit words.
#if defined(__AVX512F__)
inline Ints widen_signed(const int8_t *from) {
    return (Ints)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)from));
}
inline Ints widen_words(const uint16_t *from) {
    return (Ints)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));
}
inline Floats to_floats(Ints whole) { return (Floats)_mm512_cvtepi32_ps((__m512i)whole); }
inline Ints to_nearest(Floats value) { return (Ints)_mm512_cvtps_epi32((__m512)value); }
#else
inline Ints widen_signed(const int8_t *from) {
    return (Ints)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)from));
}
inline Ints widen_words(const uint16_t *from) {
    return (Ints)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from));
}
inline Floats to_floats(Ints whole) { return (Floats)_mm256_cvtepi32_ps((__m256i)whole); }
inline Ints to_nearest(Floats value) { return (Ints)_mm256_cvtps_epi32((__m256)value); }
#endif

// The sum of the lanes, halves first: always in the same order.
inline float sum_of_eight(__m256 eight) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

inline float sum(Floats vector) {
#if defined(__AVX512F__)
    return sum_of_eight(
        _mm256_add_ps(_mm512_castps512_ps256((__m512)vector), _mm512_extractf32x8_ps((__m512)vector, 1)));
#else
    return sum_of_eight((__m256)vector);
#endif
}

inline float largest(Floats vector) {
    float lanes[LANES], maximum;
    store(lanes, vector);
    maximum = lanes[0];
    for (int lane = 1; lane < LANES; ++lane) maximum = lanes[lane] > maximum ? lanes[lane] : maximum;
    return maximum;
}

// e^x by x = n ln 2 + r and the Taylor series of e^r with |r| <= ln 2 / 2: with seven terms the relative error is 2e-7.
// ln 2 is split in two parts so that n ln 2 is exact; arguments are limited to results that float32 can represent.
inline Floats exp(Floats x) {
    x = x < -87.0f ? broadcast(-87.0f) : x;
    x = x > 88.0f ? broadcast(88.0f) : x;
    Ints n = to_nearest(x * 1.44269504f);
    Floats whole = to_floats(n);
    Floats r = fused(whole, broadcast(2.12194440e-4f), fused(whole, broadcast(-0.693359375f), x));
    Floats series = broadcast(1.0f / 5040);
    for (float term : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f})
        series = fused(series, r, broadcast(term));
    return series * (Floats)((n + 127) << 23);
}

// GELU in its tanh form (Hendrycks and Gimpel, arXiv:1606.08415), written with e^x: (1 + tanh u) / 2 = 1 / (1 + e^-2u).
inline Floats gelu(Floats x) {
    Floats u = 0.79788456f * fused(0.044715f * x * x, x, x);
    return x / (1.0f + exp(-2.0f * u));
}

struct Float32 {
    using Element = float;
    static Floats at(const Element *row, int64_t index) { return load(row + index); }
    static float one(const Element *row, int64_t index) { return row[index]; }
    static float packed(float value) { return value; }
};

struct BFloat16 {
    using Element = uint16_t;
    static Floats at(const Element *row, int64_t index) { return (Floats)(widen_words(row + index) << 16); }
    static float one(const Element *row, int64_t index) {
        uint32_t bits = (uint32_t)row[index] << 16;
        float value;
        std::memcpy(&value, &bits, 4);
        return value;
    }
    static uint16_t packed(float value) {  // to the nearest, ties to even; NaN stays NaN
        uint32_t bits;
        std::memcpy(&bits, &value, 4);
        if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
        return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
};

// Integers; the scale of a row is applied to its sum.
struct Int8 {
    using Element = int8_t;
    static Floats at(const Element *row, int64_t index) { return to_floats(widen_signed(row + index)); }
    static float one(const Element *row, int64_t index) { return row[index]; }
};
