/* SPDX-License-Identifier: Apache-2.0 */
/* How far a tensor is from the one that was expected. */
#ifndef CLI_COMPARE_H
#define CLI_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

struct comparison {
	double largest;      /* |got - expected|; infinite where they cannot be subtracted */
	double expected_max; /* largest finite |expected| */
	uint64_t at;         /* the element of the largest difference */
	uint64_t n_differ;   /* elements that are not the same */
};

/*
 * Two tensors of one type and shape.  NaN is the same as NaN, an infinity as itself; texts and booleans are
 * the same or infinitely far.  -EPROTO where the two have not as many elements.
 */
int compare_tensors(uint32_t dtype, const void *got, uint64_t got_bytes, const void *expected,
		    uint64_t expected_bytes, struct comparison *ret);

/* largest / expected_max, or `largest` where all that was expected is 0. */
double comparison_relative(const struct comparison *comparison);

#endif
