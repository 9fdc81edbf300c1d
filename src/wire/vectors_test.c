/* SPDX-License-Identifier: Apache-2.0 */
/* All of docs/protocol-vectors.txt by rule; each one's fields are its message's test. */
#include <errno.h>
#include <string.h>

#include "wire/again.h"
#include "wire/testing.h"

struct seen {
	bool types[64];
	unsigned exact, later, refused;
};

static bool begins(const struct wire_vector *vector, const char *prefix)
{
	return strncmp(vector->name, prefix, strlen(prefix)) == 0;
}

/* 0: the frame can be read; body and size are then those of w. */
static int read_again(const struct wire_vector *vector, struct wire_header *ret,
		      struct tsk_writer *w)
{
	size_t size = vector->n - WIRE_HEADER_BYTES;
	_cleanup_free_ unsigned char *exact = malloc(size ? size : 1);
	int r = wire_header_read(vector->bytes, ret);

	assert_non_null(exact);
	memcpy(exact, vector->bytes + WIRE_HEADER_BYTES, size);
	if (r < 0)
		return r;
	assert_true(ret->size == size);
	return wire_again(ret->type, exact, size, w);
}

static void check(const struct wire_vector *vector, void *user)
{
	unsigned char again[WIRE_VECTOR_MAX];
	struct tsk_writer w = tsk_writer(again, sizeof(again));
	const unsigned char *body = vector->bytes + WIRE_HEADER_BYTES;
	struct wire_header header;
	struct seen *seen = user;
	size_t n;
	int r;

	if (vector->n < WIRE_HEADER_BYTES)
		fail_msg("%s: no header", vector->name);
	r = read_again(vector, &header, &w);
	if (r != (begins(vector, "refused-") ? -EPROTO : 0))
		fail_msg("%s: %d", vector->name, r);
	if (r < 0) {
		seen->refused++;
		return;
	}
	n = tsk_writer_len(&w);
	seen->types[header.type] = true;
	if (w.bad)
		fail_msg("%s: cannot be written", vector->name);
	if (begins(vector, "later-"))
		seen->later++;
	else if (n != header.size || memcmp(again, body, n) != 0)
		fail_msg("%s: written otherwise", vector->name);
	else
		seen->exact++;
}

static void test_each(void **state)
{
	struct seen seen = { .exact = 0 };
	unsigned n = wire_vectors_each(check, &seen);

	(void)state;
	assert_int_equal(n, seen.exact + seen.later + seen.refused);
	for (uint32_t type = 0; type < ARRAY_SIZE(seen.types); type++) {
		if (wire_type_name(type) && !seen.types[type])
			fail_msg("no vector of %s", wire_type_name(type));
	}
	assert_true(seen.exact > 30 && seen.later >= 4 && seen.refused > 40);
}

/* No frame that can be read can still be read when its body ends earlier, but HELLO and WELCOME with
 * what is beyond their fields, and those whose payload may come later. */
static void check_truncated(const struct wire_vector *vector, void *user)
{
	const unsigned char *body = vector->bytes + WIRE_HEADER_BYTES;
	unsigned char scratch[WIRE_VECTOR_MAX];
	struct wire_header header;
	unsigned *n_refused = user;

	if (begins(vector, "refused-") || begins(vector, "later-"))
		return;
	assert_int_equal(wire_header_read(vector->bytes, &header), 0);
	for (size_t n = 0; n < vector->n - WIRE_HEADER_BYTES; n++) {
		_cleanup_free_ unsigned char *exact = malloc(n ? n : 1);
		struct tsk_writer w = tsk_writer(scratch, sizeof(scratch));

		assert_non_null(exact);
		memcpy(exact, body, n);
		if (wire_again(header.type, exact, n, &w) == -EPROTO)
			(*n_refused)++;
		else if (header.type != WIRE_INFER && header.type != WIRE_RESULT &&
			 header.type != WIRE_CHUNK)
			fail_msg("%s is read in %zu bytes", vector->name, n);
	}
}

static void test_truncated(void **state)
{
	unsigned n_refused = 0;

	(void)state;
	(void)wire_vectors_each(check_truncated, &n_refused);
	assert_true(n_refused > 1000);
}

/* Each flipped bit is refused, or is the form of what was read from it. */
static void check_flipped(const struct wire_vector *vector, void *user)
{
	size_t size = vector->n - WIRE_HEADER_BYTES;
	_cleanup_free_ unsigned char *exact = malloc(size ? size : 1);
	unsigned char again[WIRE_VECTOR_MAX];
	struct wire_header header;
	unsigned *n_refused = user;

	assert_non_null(exact);
	if (begins(vector, "refused-") || begins(vector, "later-"))
		return;
	assert_int_equal(wire_header_read(vector->bytes, &header), 0);
	memcpy(exact, vector->bytes + WIRE_HEADER_BYTES, size);
	for (size_t bit = 0; bit < 8 * size; bit++) {
		struct tsk_writer w = tsk_writer(again, sizeof(again));
		int r;

		exact[bit / 8] ^= (unsigned char)(1u << bit % 8);
		r = wire_again(header.type, exact, size, &w);
		assert_true(r == -EPROTO || (r == 0 && !w.bad));
		*n_refused += r < 0;
		if (r == 0 && wire_is_exact(header.type)) {
			assert_int_equal(tsk_writer_len(&w), size);
			assert_memory_equal(again, exact, size);
		}
		exact[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
}

static void test_each_bit_flipped(void **state)
{
	unsigned n_refused = 0;

	(void)state;
	(void)wire_vectors_each(check_flipped, &n_refused);
	assert_true(n_refused > 2000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_each),
		TSK_TEST(test_truncated),
		TSK_TEST(test_each_bit_flipped),
	};

	return cmocka_run_group_tests_name("wire_vectors", tests, NULL, NULL);
}
