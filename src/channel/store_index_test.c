/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/store_index.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/memfd.h"
#include "base/testing.h"

struct seen {
	unsigned n_entries, n_labels;
	struct store_entry entries[4];
	struct store_label labels[4];
};

static void on_entry(void *context, const struct store_entry *entry)
{
	struct seen *seen = context;

	assert_true(seen->n_entries < 4);
	seen->entries[seen->n_entries++] = *entry;
}

static void on_label(void *context, const struct store_label *label)
{
	struct seen *seen = context;

	assert_true(seen->n_labels < 4);
	seen->labels[seen->n_labels++] = *label;
}

static const struct store_index_ops ops = { .entry = on_entry, .label = on_label };

static unsigned char bytes[4096];

static struct tsk_writer sample(void)
{
	struct tsk_writer w = tsk_writer(bytes, store_index_bytes(2, 2));
	struct store_entry whole = { .hash = { 1 }, .size = 10, .have = 10, .age_ms = 5 },
			   part = { .hash = { 2 }, .size = UINT64_MAX, .have = 3 };
	char longest[STORE_LABEL_NAME_MAX + 1] = { 0 };

	memset(longest, 'n', sizeof(longest) - 1);
	store_index_begin(&w, 2);
	store_index_entry(&w, &whole);
	store_index_entry(&w, &part);
	store_index_labels(&w, 2);
	store_index_label(&w, whole.hash, longest, "");
	store_index_label(&w, part.hash, "b", "v1");
	assert_false(w.bad);
	return w;
}

static void expect_sample(const struct seen *seen)
{
	assert_int_equal(seen->n_entries, 2);
	assert_int_equal(seen->entries[0].hash[0], 1);
	assert_int_equal(seen->entries[0].age_ms, 5);
	assert_int_equal(seen->entries[1].size, UINT64_MAX);
	assert_int_equal(seen->entries[1].have, 3);
	assert_int_equal(seen->n_labels, 2);
	assert_int_equal(strlen(seen->labels[0].name), STORE_LABEL_NAME_MAX);
	assert_string_equal(seen->labels[0].version, "");
	assert_string_equal(seen->labels[1].name, "b");
	assert_string_equal(seen->labels[1].version, "v1");
	assert_int_equal(seen->labels[1].hash[0], 2);
}

static void test_round(void **state)
{
	struct tsk_writer w = sample();
	struct seen seen = { 0 };
	int fd;

	(void)state;
	assert_int_equal(store_index_read(bytes, tsk_writer_len(&w), &ops, &seen), 0);
	expect_sample(&seen);
	assert_int_equal(store_index_to_fd(&w, &fd), 0);
	seen = (struct seen){ 0 };
	assert_int_equal(store_index_from_fd(fd, &ops, &seen), 0);
	expect_sample(&seen);
	close(fd);
}

/* Not one call comes of what is no index. */
static void expect_none(size_t n)
{
	struct seen seen = { 0 };

	assert_int_equal(store_index_read(bytes, n, &ops, &seen), -EPROTO);
	assert_int_equal(seen.n_entries + seen.n_labels, 0);
}

static void test_damaged(void **state)
{
	struct tsk_writer w = sample();
	size_t n = tsk_writer_len(&w);
	static const struct {
		size_t at;
		unsigned char value;
	} changes[] = {
		{ 0, 0 },           /* the magic */
		{ 4, 3 },           /* more entries than there are */
		{ 7, 0x7f },        /* and than there may be */
		{ 8 + 32, 0 },      /* a size of 0 */
		{ 8 + 32 + 8, 11 }, /* more is there than there is */
		{ 8 + 2 * 56, 1 },  /* fewer labels than there are */
		{ 8 + 2 * 56 + 3, 0x7f },
		{ 8 + 2 * 56 + 4 + 32, 0 }, /* an empty name */
		{ 8 + 2 * 56 + 4 + 33, 1 }, /* one of more than 255 bytes */
		{ 8 + 2 * 56 + 4 + 34, 0 }, /* with a NUL in it */
	};

	(void)state;
	for (size_t i = 0; i < n; i++)
		expect_none(i);
	bytes[n] = 0;
	expect_none(n + 1);
	for (unsigned i = 0; i < ARRAY_SIZE(changes); i++) {
		unsigned char saved = bytes[changes[i].at];

		bytes[changes[i].at] = changes[i].value;
		expect_none(n);
		bytes[changes[i].at] = saved;
	}
	expect_none(0);
}

static void test_fd(void **state)
{
	struct tsk_writer w = sample();
	struct seen seen = { 0 };
	int fd;

	(void)state;
	/* Not frozen; too large; bytes that are none. */
	assert_int_equal(tsk_memfd_new("test", 100, &fd), 0);
	assert_int_equal(store_index_from_fd(fd, &ops, &seen), -EPROTO);
	assert_int_equal(tsk_memfd_freeze(fd), 0);
	assert_int_equal(store_index_from_fd(fd, &ops, &seen), -EPROTO);
	close(fd);
	assert_int_equal(tsk_memfd_new("test", UINT64_C(1) << 40, &fd), 0);
	assert_int_equal(tsk_memfd_freeze(fd), 0);
	assert_int_equal(store_index_from_fd(fd, &ops, &seen), -EPROTO);
	close(fd);
	assert_int_equal(store_index_from_fd(0, &ops, &seen), -EPROTO);
	w.bad = true;
	assert_int_equal(store_index_to_fd(&w, &fd), -EINVAL);
	assert_int_equal(seen.n_entries + seen.n_labels, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_round), TSK_TEST(test_damaged),
					    TSK_TEST(test_fd) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
