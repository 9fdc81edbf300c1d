/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seed's random numbers: std::mt19937 with its default seed through
 * std::uniform_real_distribution<float>(0.1f, 1.0f), bit for bit.
 */
#ifndef TSK_TENSOR_SEED_RANDOM_H
#define TSK_TENSOR_SEED_RANDOM_H

#include <stdint.h>

#define SEED_RANDOM_WORDS 624u

struct seed_random {
	uint32_t words[SEED_RANDOM_WORDS];
	unsigned used;
};

void seed_random_init(struct seed_random *random);
float seed_random_next(struct seed_random *random);

#endif
