/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/seed_random.h"

#include <math.h>

#define DEFAULT_SEED 5489u
#define MIDDLE 397u

void seed_random_init(struct seed_random *random)
{
	uint32_t word = DEFAULT_SEED;

	random->words[0] = word;
	for (unsigned i = 1; i < SEED_RANDOM_WORDS; i++) {
		word = UINT32_C(1812433253) * (word ^ word >> 30) + i;
		random->words[i] = word;
	}
	random->used = SEED_RANDOM_WORDS;
}

static void twist(struct seed_random *random)
{
	uint32_t *words = random->words;

	for (unsigned i = 0; i < SEED_RANDOM_WORDS; i++) {
		uint32_t next = words[(i + 1) % SEED_RANDOM_WORDS];
		uint32_t mixed = (words[i] & UINT32_C(0x80000000)) | (next & UINT32_C(0x7fffffff));

		words[i] = words[(i + MIDDLE) % SEED_RANDOM_WORDS] ^ mixed >> 1 ^
			   (mixed & 1 ? UINT32_C(0x9908b0df) : 0);
	}
	random->used = 0;
}

static uint32_t draw(struct seed_random *random)
{
	uint32_t v;

	if (random->used == SEED_RANDOM_WORDS)
		twist(random);
	v = random->words[random->used++];
	v ^= v >> 11;
	v ^= v << 7 & UINT32_C(0x9d2c5680);
	v ^= v << 15 & UINT32_C(0xefc60000);
	return v ^ v >> 18;
}

/* In float all the way, as libstdc++ does it: double would round differently. */
float seed_random_next(struct seed_random *random)
{
	float canonical = (float)draw(random) / 4294967296.0f;

	if (canonical >= 1.0f)
		canonical = nextafterf(1.0f, 0.0f);
	return canonical * (1.0f - 0.1f) + 0.1f;
}
