/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/permute.h"

#include <string.h>

#include "base/testing.h"

#define RANK_MAX 5u

/* By the definition: each element of the result, one by one. */
static void permute_plainly(const unsigned char *from, const int64_t *dims, const uint8_t *perm,
			    unsigned rank, size_t elem, unsigned char *to)
{
	int64_t at[RANK_MAX] = { 0 };
	size_t n = 1;

	for (unsigned i = 0; i < rank; i++)
		n *= (size_t)dims[i];
	for (size_t k = 0; k < n; k++) {
		int64_t source[RANK_MAX] = { 0 }, offset = 0;

		for (unsigned i = 0; i < rank; i++)
			source[perm[i]] = at[i];
		for (unsigned i = 0; i < rank; i++)
			offset = offset * dims[i] + source[i];
		memcpy(to + k * elem, from + (size_t)offset * elem, elem);
		for (unsigned i = rank; i-- > 0;) {
			if (++at[i] < dims[perm[i]])
				break;
			at[i] = 0;
		}
	}
}

static void compare(const int64_t *dims, const uint8_t *perm, unsigned rank, size_t elem)
{
	static unsigned char from[8192], to[8192], expected[8192];
	size_t n = elem;

	for (unsigned i = 0; i < rank; i++)
		n *= (size_t)dims[i];
	assert_true(n <= sizeof(from));
	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i * 7 + i / 251);
	memset(to, 0xee, sizeof(to));
	memset(expected, 0xee, sizeof(expected));
	permute(from, dims, perm, rank, elem, to);
	permute_plainly(from, dims, perm, rank, elem, expected);
	assert_memory_equal(to, expected, sizeof(to)); /* and nothing beyond it */
}

static void test_every_order(void **state)
{
	static const int64_t shapes[][4] = { { 2, 3, 4, 5 }, { 1, 3, 1, 5 }, { 4, 1, 1, 6 },
					     { 2, 0, 3, 1 }, { 1, 1, 1, 1 }, { 7, 2, 2, 1 } };
	static const size_t elems[] = { 1, 2, 4, 8, 16 };

	(void)state;
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
		for (unsigned code = 0; code < 256; code++) {
			uint8_t perm[4];
			unsigned seen = 0;

			for (unsigned i = 0; i < 4; i++) {
				perm[i] = (code >> (2 * i)) & 3;
				seen |= 1u << perm[i];
			}
			if (seen == 15)
				compare(shapes[s], perm, 4, elems[code % 5]);
		}
	}
}

static void test_small_ranks(void **state)
{
	static const int64_t dims[] = { 3, 5 };
	static const uint8_t same[] = { 0, 1 }, swapped[] = { 1, 0 };

	(void)state;
	compare(NULL, NULL, 0, 4);
	compare(dims, same, 1, 4);
	compare(dims, same, 2, 4);
	compare(dims, swapped, 2, 4);
	compare(dims, swapped, 2, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_every_order),
		TSK_TEST(test_small_ranks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
