// AVX-512 for processors without it: every intrinsic that the kernels use, as two AVX2 intrinsics.
//
// Passed to the compiler with -include, so the kernels' own sources are compiled as they are, for 16 lanes.
#pragma once
#include <cstring>
#include <immintrin.h>

namespace emulated {

template <class Half>
struct Halves {
    Half low, high;
};

template <class To, class From>
To cast(const From &from) {
    static_assert(sizeof(To) == sizeof from);
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

inline __m512 fmadd_ps(__m512 a, __m512 b, __m512 c) {
    auto x = cast<Halves<__m256>>(a), y = cast<Halves<__m256>>(b), z = cast<Halves<__m256>>(c);
    return cast<__m512>(Halves<__m256>{_mm256_fmadd_ps(x.low, y.low, z.low), _mm256_fmadd_ps(x.high, y.high, z.high)});
}

inline __m512i cvtepi8_epi32(__m128i bytes) {
    return cast<__m512i>(
        Halves<__m256i>{_mm256_cvtepi8_epi32(bytes), _mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8))});
}

inline __m512i cvtepu16_epi32(__m256i words) {
    auto part = cast<Halves<__m128i>>(words);
    return cast<__m512i>(Halves<__m256i>{_mm256_cvtepu16_epi32(part.low), _mm256_cvtepu16_epi32(part.high)});
}

inline __m512 cvtepi32_ps(__m512i whole) {
    auto part = cast<Halves<__m256i>>(whole);
    return cast<__m512>(Halves<__m256>{_mm256_cvtepi32_ps(part.low), _mm256_cvtepi32_ps(part.high)});
}

inline __m512i cvtps_epi32(__m512 value) {
    auto part = cast<Halves<__m256>>(value);
    return cast<__m512i>(Halves<__m256i>{_mm256_cvtps_epi32(part.low), _mm256_cvtps_epi32(part.high)});
}

inline __m256 castps512_ps256(__m512 value) { return cast<Halves<__m256>>(value).low; }

inline __m256 extractf32x8_ps(__m512 value, int half) {
    auto part = cast<Halves<__m256>>(value);
    return half ? part.high : part.low;
}

}  // namespace emulated

#define _mm512_fmadd_ps emulated::fmadd_ps
#define _mm512_cvtepi8_epi32 emulated::cvtepi8_epi32
#define _mm512_cvtepu16_epi32 emulated::cvtepu16_epi32
#define _mm512_cvtepi32_ps emulated::cvtepi32_ps
#define _mm512_cvtps_epi32 emulated::cvtps_epi32
#define _mm512_castps512_ps256 emulated::castps512_ps256
#undef _mm512_extractf32x8_ps  // a macro where the compiler does not optimize
#define _mm512_extractf32x8_ps emulated::extractf32x8_ps

// Only now: the compiler's header would take it for a promise.
#define __AVX512F__ 1
