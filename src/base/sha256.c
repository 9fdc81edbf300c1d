/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sha256.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define HAS_SHA_NI 1
#include <cpuid.h>
#include <immintrin.h>
#else
#define HAS_SHA_NI 0
#endif

static const uint32_t initial[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static const uint32_t constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

/*
 * ---- In C
 */

static inline uint32_t rotate(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static inline uint32_t big_endian(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* W of round t, whose place in the window of 16 is that of the round 16 before. */
static inline uint32_t expand(uint32_t w[16], unsigned t)
{
	uint32_t w15 = w[(t + 1) & 15], w2 = w[(t + 14) & 15];

	w[t & 15] += (rotate(w15, 7) ^ rotate(w15, 18) ^ w15 >> 3) + w[(t + 9) & 15] +
		     (rotate(w2, 17) ^ rotate(w2, 19) ^ w2 >> 10);
	return w[t & 15];
}

/* One round.  The names of the eight turn instead of their values: s[(i - t) & 7] is the i-th. */
static inline void turn(uint32_t s[8], unsigned t, uint32_t w)
{
	uint32_t a = s[(0 - t) & 7], b = s[(1 - t) & 7], c = s[(2 - t) & 7];
	uint32_t e = s[(4 - t) & 7], f = s[(5 - t) & 7], g = s[(6 - t) & 7];
	uint32_t t1 = s[(7 - t) & 7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
		      ((e & f) ^ (~e & g)) + constants[t] + w;

	s[(3 - t) & 7] += t1;
	s[(7 - t) & 7] =
		t1 + (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
}

static void blocks_portable(uint32_t state[8], const unsigned char *blocks, size_t n)
{
	for (; n; n--, blocks += TSK_SHA256_BLOCK_BYTES) {
		uint32_t w[16], s[8];

		memcpy(s, state, sizeof(s));
#pragma GCC unroll 16
		for (unsigned t = 0; t < 16; t++) {
			w[t] = big_endian(blocks + 4 * (size_t)t);
			turn(s, t, w[t]);
		}
#pragma GCC unroll 48
		for (unsigned t = 16; t < 64; t++)
			turn(s, t, expand(w, t));
		for (unsigned i = 0; i < 8; i++)
			state[i] += s[i];
	}
}

tsk_sha256_blocks *tsk_sha256_portable(void)
{
	return blocks_portable;
}

/*
 * ---- By the processor
 */

#if HAS_SHA_NI

#define TARGET __attribute__((target("sha,sse4.1")))

/* Four rounds of the message words in w. */
TARGET static inline void turn4(__m128i *abef, __m128i *cdgh, __m128i w, unsigned t)
{
	__m128i wk = _mm_add_epi32(w, _mm_loadu_si128((const __m128i_u *)(constants + t)));

	*cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, wk);
	*abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(wk, 0x0e));
}

/* The next four message words after the 16 in w, oldest first, in the place of the oldest four. */
TARGET static inline __m128i expand4(const __m128i w[4], unsigned oldest)
{
	__m128i w0 = w[oldest], w1 = w[(oldest + 1) & 3], w2 = w[(oldest + 2) & 3],
		w3 = w[(oldest + 3) & 3];
	__m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));

	return _mm_sha256msg2_epu32(sum, w3);
}

TARGET static void blocks_sha_ni(uint32_t state[8], const unsigned char *blocks, size_t n)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	__m128i dcba = _mm_loadu_si128((const __m128i_u *)state);
	__m128i hgfe = _mm_loadu_si128((const __m128i_u *)(state + 4));
	/* The instructions want the eight as ABEF and CDGH. */
	__m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
	__m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);

	for (; n; n--, blocks += TSK_SHA256_BLOCK_BYTES) {
		__m128i abef_before = abef, cdgh_before = cdgh, w[4];

#pragma GCC unroll 4
		for (unsigned i = 0; i < 4; i++) {
			w[i] = _mm_loadu_si128((const __m128i_u *)(blocks + 16 * (size_t)i));
			w[i] = _mm_shuffle_epi8(w[i], swap);
			turn4(&abef, &cdgh, w[i], 4 * i);
		}
#pragma GCC unroll 12
		for (unsigned i = 4; i < 16; i++) {
			w[i & 3] = expand4(w, i & 3);
			turn4(&abef, &cdgh, w[i & 3], 4 * i);
		}
		abef = _mm_add_epi32(abef, abef_before);
		cdgh = _mm_add_epi32(cdgh, cdgh_before);
	}
	efgh = _mm_shuffle_epi32(abef, 0x1b); /* FEBA */
	cdab = _mm_shuffle_epi32(cdgh, 0xb1); /* DCHG */
	dcba = _mm_blend_epi16(efgh, cdab, 0xf0);
	hgfe = _mm_alignr_epi8(cdab, efgh, 8);
	_mm_storeu_si128((__m128i_u *)state, dcba);
	_mm_storeu_si128((__m128i_u *)(state + 4), hgfe);
}

/* Asked afresh each time, for the library keeps no global state; it is once a model. */
static bool has_sha_ni(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1))
		return false;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

tsk_sha256_blocks *tsk_sha256_by_cpu(void)
{
	return has_sha_ni() ? blocks_sha_ni : NULL;
}

#else

tsk_sha256_blocks *tsk_sha256_by_cpu(void)
{
	return NULL;
}

#endif

/*
 * ---- Any number of bytes
 */

void tsk_sha256_init(struct tsk_sha256 *sha)
{
	tsk_sha256_blocks *by_cpu = tsk_sha256_by_cpu();

	sha->blocks = by_cpu ? by_cpu : blocks_portable;
	sha->bytes = 0;
	memcpy(sha->state, initial, sizeof(sha->state));
}

void tsk_sha256_update(struct tsk_sha256 *sha, const void *bytes, size_t len)
{
	size_t held = sha->bytes % TSK_SHA256_BLOCK_BYTES, n;
	const unsigned char *p = bytes;

	sha->bytes += len;
	if (held) {
		n = TSK_SHA256_BLOCK_BYTES - held;
		n = len < n ? len : n;
		if (n)
			memcpy(sha->rest + held, p, n);
		if (held + n < TSK_SHA256_BLOCK_BYTES)
			return;
		sha->blocks(sha->state, sha->rest, 1);
		p += n;
		len -= n;
	}
	n = len / TSK_SHA256_BLOCK_BYTES;
	if (n)
		sha->blocks(sha->state, p, n);
	if (len % TSK_SHA256_BLOCK_BYTES)
		memcpy(sha->rest, p + n * TSK_SHA256_BLOCK_BYTES, len % TSK_SHA256_BLOCK_BYTES);
}

void tsk_sha256_final(struct tsk_sha256 *sha, unsigned char ret[TSK_SHA256_BYTES])
{
	static const unsigned char padding[TSK_SHA256_BLOCK_BYTES] = { 0x80 };
	uint64_t bits = sha->bytes * 8;
	size_t held = sha->bytes % TSK_SHA256_BLOCK_BYTES;
	unsigned char length[8];

	for (unsigned i = 0; i < 8; i++)
		length[i] = (unsigned char)(bits >> (56 - 8 * i));
	tsk_sha256_update(sha, padding, held < 56 ? 56 - held : 120 - held);
	tsk_sha256_update(sha, length, sizeof(length));
	for (unsigned i = 0; i < TSK_SHA256_BYTES; i++)
		ret[i] = (unsigned char)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
}

void tsk_sha256(const void *bytes, size_t len, unsigned char ret[TSK_SHA256_BYTES])
{
	struct tsk_sha256 sha;

	tsk_sha256_init(&sha);
	tsk_sha256_update(&sha, bytes, len);
	tsk_sha256_final(&sha, ret);
}
