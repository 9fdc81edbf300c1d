/* SPDX-License-Identifier: Apache-2.0 */
#include "store/shelf.h"

#include <errno.h>
#include <string.h>

#include "base/testing.h"

static struct shelf shelf;

static struct shelf_entry *add(const char *name, unsigned char hash, uint64_t bytes,
			       int64_t used_ms)
{
	const unsigned char h[STORE_HASH_BYTES] = { hash };
	struct shelf_guest *guest = shelf_guest(&shelf, name);
	struct shelf_entry *entry = shelf_add(&shelf, guest, h, bytes, bytes, used_ms);

	assert_non_null(entry);
	return entry;
}

static struct shelf_entry *victim;

static int room(const char *name, uint64_t bytes)
{
	victim = NULL;
	return shelf_make_room(&shelf, shelf_guest(&shelf, name), bytes, true, &victim);
}

/* Whoever must go goes, until there is room: their hashes, in their order. */
static const char *make_room(const char *name, uint64_t bytes)
{
	static char went[32];
	size_t n = 0;
	int r;

	while ((r = room(name, bytes)) == 1) {
		went[n++] = (char)victim->hash[0];
		shelf_remove(&shelf, victim);
	}
	went[n] = '\0';
	return r == 0 ? went : "no";
}

static void test_found(void **state)
{
	const unsigned char a[STORE_HASH_BYTES] = { 'a' }, b[STORE_HASH_BYTES] = { 'b' };
	struct shelf_entry *entry;

	(void)state;
	shelf_init(&shelf, 100);
	entry = add("g", 'a', 10, 1);
	add("h", 'a', 5, 1);
	assert_ptr_equal(shelf_find(shelf_guest(&shelf, "g"), a), entry);
	assert_null(shelf_find(shelf_guest(&shelf, "g"), b));
	assert_ptr_not_equal(shelf_find(shelf_guest(&shelf, "h"), a), entry);
	assert_int_equal(shelf.bytes, 15);
	assert_int_equal(shelf.n_with, 2);
	shelf_set_have(&shelf, entry, 3);
	assert_int_equal(shelf.bytes, 8);
	shelf_remove(&shelf, entry);
	assert_int_equal(shelf.bytes, 5);
	assert_int_equal(shelf.n_with, 1);
	shelf_let_go(&shelf, shelf_guest(&shelf, "g"));
	assert_null(shelf_find_guest(&shelf, "g"));
	shelf_let_go(&shelf, shelf_guest(&shelf, "h")); /* it has something */
	assert_non_null(shelf_find_guest(&shelf, "h"));
	shelf_done(&shelf);
}

/* Alone: what was used longest ago goes first, as many as must. */
static void test_oldest(void **state)
{
	(void)state;
	shelf_init(&shelf, 100);
	add("g", 'a', 40, 3);
	add("g", 'b', 30, 1);
	add("g", 'c', 30, 2);
	assert_string_equal(make_room("g", 0), "");
	assert_string_equal(make_room("g", 31), "bc");
	assert_string_equal(make_room("g", 60), "");
	assert_string_equal(make_room("g", 100), "a");
	assert_int_equal(room("g", 101), -ENOSPC);
	shelf_done(&shelf);
}

static void test_own_bound(void **state)
{
	(void)state;
	shelf_init(&shelf, 100);
	add("g", 'a', 20, 2);
	add("h", 'b', 20, 1);
	shelf_guest(&shelf, "g")->bytes_max = 30;
	/* There is room enough, but not for this guest; and it is its own that goes. */
	assert_string_equal(make_room("g", 11), "a");
	assert_int_equal(room("g", 31), -ENOSPC);
	assert_non_null(shelf_find_guest(&shelf, "h"));
	assert_int_equal(shelf.bytes, 20);
	shelf_done(&shelf);
}

/* Whoever is within its share keeps all; what is above it goes, the most above first. */
static void test_shares(void **state)
{
	(void)state;
	shelf_init(&shelf, 90);
	add("small", 's', 30, 0); /* the oldest of all */
	add("large", '1', 20, 5);
	add("large", '2', 20, 4);
	add("large", '3', 20, 6);
	/* A third guest: 30 bytes are each one's. */
	assert_string_equal(make_room("new", 10), "2");
	assert_string_equal(make_room("new", 30), "1");
	add("new", 'n', 30, 7);
	/* All are within their shares now: who wants more loses its own. */
	assert_string_equal(make_room("small", 10), "");
	assert_string_equal(make_room("small", 11), "s");
	assert_string_equal(make_room("small", 60), "no");
	assert_int_equal(shelf_find_guest(&shelf, "new")->bytes, 30);
	assert_int_equal(shelf_find_guest(&shelf, "large")->bytes, 20);
	shelf_done(&shelf);
}

static void test_busy(void **state)
{
	(void)state;
	shelf_init(&shelf, 10);
	add("g", 'a', 10, 1)->is_busy = true;
	assert_int_equal(room("g", 1), -ENOSPC);
	assert_int_equal(room("h", 1), -ENOSPC);
	shelf_done(&shelf);
}

static void test_many(void **state)
{
	(void)state;
	shelf_init(&shelf, 1000000);
	for (unsigned i = 0; i < STORE_ENTRIES_MAX; i++)
		add("g", (unsigned char)i, 1, 1000 - (int)i);
	assert_int_equal(room("g", 1), 1);
	assert_int_equal(victim->used_ms, 1000 - (int)STORE_ENTRIES_MAX + 1);
	assert_int_equal(shelf_make_room(&shelf, shelf_guest(&shelf, "g"), 1, false, &victim), 0);
	assert_int_equal(room("h", 1), 0);
	shelf_done(&shelf);
}

static void test_expired(void **state)
{
	struct shelf_entry *old;

	(void)state;
	shelf_init(&shelf, 100);
	old = add("g", 'a', 1, 10);
	add("g", 'b', 1, 20);
	add("here", 'c', 1, 1);
	shelf_guest(&shelf, "here")->channel = &shelf;
	assert_null(shelf_expired(&shelf, 10));
	assert_ptr_equal(shelf_expired(&shelf, 11), old);
	shelf_remove(&shelf, old);
	assert_null(shelf_expired(&shelf, 20));
	shelf_done(&shelf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_found),   TSK_TEST(test_oldest), TSK_TEST(test_own_bound),
		TSK_TEST(test_shares),  TSK_TEST(test_busy),   TSK_TEST(test_many),
		TSK_TEST(test_expired),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
