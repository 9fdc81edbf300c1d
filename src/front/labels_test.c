/* SPDX-License-Identifier: Apache-2.0 */
#include "front/labels.h"

#include <string.h>

#include "base/clock.h"
#include "base/testing.h"

/* Only the address of a model counts. */
static char places[512];
#define MODEL(i) ((struct model *)(void *)&places[i])

static void add(struct labels *labels, int model, const char *name, const char *version,
		bool is_pending)
{
	struct tensock_error error;

	assert_int_equal(labels_add(labels, MODEL(model), name, version, is_pending, &error), 0);
}

static void test_find(void **state)
{
	struct labels labels;

	(void)state;
	labels_init(&labels);
	add(&labels, 0, "a", "1", false);
	add(&labels, 1, "a", "2", false);
	add(&labels, 0, "b", NULL, false);
	assert_ptr_equal(labels_find(&labels, "a", "1"), MODEL(0));
	assert_ptr_equal(labels_find(&labels, "a", "2"), MODEL(1));
	assert_ptr_equal(labels_find(&labels, "a", NULL), MODEL(1));
	assert_ptr_equal(labels_find(&labels, "a", ""), MODEL(1));
	assert_ptr_equal(labels_find(&labels, "b", ""), MODEL(0));
	assert_null(labels_find(&labels, "b", "1"));
	assert_null(labels_find(&labels, "A", "1"));
	assert_null(labels_find(&labels, "", ""));
	/* Given again: the last one now. */
	add(&labels, 0, "a", "1", false);
	assert_ptr_equal(labels_find(&labels, "a", NULL), MODEL(0));
	assert_string_equal(labels_of(&labels, MODEL(0))->version, "1");
	assert_null(labels_of(&labels, MODEL(2)));
	labels_drop(&labels, MODEL(0));
	assert_null(labels_find(&labels, "b", NULL));
	assert_ptr_equal(labels_find(&labels, "a", NULL), MODEL(1));
	labels_done(&labels);
}

/* An empty name is none, whatever the version. */
static void test_nameless(void **state)
{
	struct labels labels;

	(void)state;
	labels_init(&labels);
	add(&labels, 0, "", "1", false);
	add(&labels, 0, NULL, NULL, false);
	assert_true(TAILQ_EMPTY(&labels.list));
	labels_done(&labels);
}

static void test_move(void **state)
{
	struct labels labels;

	(void)state;
	labels_init(&labels);
	add(&labels, 0, "a", "1", false);
	add(&labels, 0, "a", "2", false);
	add(&labels, 1, "a", "1", false);
	assert_ptr_equal(labels_find(&labels, "a", "1"), MODEL(1));
	assert_ptr_equal(labels_find(&labels, "a", "2"), MODEL(0));
	add(&labels, 1, "a", "2", false);
	assert_null(labels_of(&labels, MODEL(0)));
	labels_done(&labels);
}

/* What is pending takes nothing away until it is true, and then in the order in which it was given. */
static void test_pending(void **state)
{
	struct labels labels;

	(void)state;
	labels_init(&labels);
	add(&labels, 0, "a", "1", false);
	add(&labels, 0, "b", "1", false);
	add(&labels, 1, "a", "1", true);
	add(&labels, 1, "b", "1", true);
	add(&labels, 2, "b", "1", true);
	assert_ptr_equal(labels_find(&labels, "a", "1"), MODEL(0));
	assert_string_equal(labels_of(&labels, MODEL(1))->name, "b");
	labels_settle(&labels, MODEL(1));
	assert_ptr_equal(labels_find(&labels, "a", "1"), MODEL(1));
	assert_ptr_equal(labels_find(&labels, "b", "1"), MODEL(1));
	assert_null(labels_of(&labels, MODEL(0)));
	assert_string_equal(labels_of(&labels, MODEL(1))->name, "b");
	labels_drop_pending(&labels, MODEL(1));
	labels_drop_pending(&labels, MODEL(2));
	labels_settle(&labels, MODEL(2));
	assert_ptr_equal(labels_find(&labels, "b", "1"), MODEL(1));
	labels_done(&labels);
}

static void test_limit(void **state)
{
	struct tensock_error error;
	struct labels labels;
	char name[16];

	(void)state;
	labels_init(&labels);
	for (unsigned i = 0; i < LABELS_A_MODEL_MAX; i++) {
		snprintf(name, sizeof(name), "%u", i);
		add(&labels, 0, name, "", i % 2);
	}
	assert_int_equal(labels_add(&labels, MODEL(0), "more", "", true, &error), -EBUSY);
	assert_int_equal(error.status, TENSOCK_LIMIT_REACHED);
	/* One that it has, and one of another model: no more than before. */
	add(&labels, 0, "3", "", false);
	add(&labels, 1, "more", "", false);
	labels_done(&labels);
}

/* Each true one once, the last given first. */
static void expect_all(const struct labels *labels, unsigned i, const char *names)
{
	const struct label *label = NULL;

	while ((label = labels_next(labels, MODEL(i), label)))
		assert_int_equal(label->name[0], *names++);
	assert_int_equal(*names, '\0');
}

static void test_all_of_one(void **state)
{
	struct labels labels;

	(void)state;
	labels_init(&labels);
	expect_all(&labels, 0, "");
	add(&labels, 0, "a", "1", false);
	add(&labels, 1, "x", "1", false);
	add(&labels, 0, "b", "1", true);
	add(&labels, 0, "c", "1", false);
	expect_all(&labels, 0, "ca");
	labels_settle(&labels, MODEL(0));
	expect_all(&labels, 0, "bca");
	expect_all(&labels, 1, "x");
	assert_string_equal(labels_look_up(&labels, "c", "")->version, "1");
	assert_null(labels_look_up(&labels, "c", "2"));
	labels_done(&labels);
}

/* A list of all models asks for the labels of each, and costs its guest few bytes. */
static void test_many(void **state)
{
	uint64_t begin_ns;
	struct labels labels;
	char name[256];

	(void)state;
	labels_init(&labels);
	memset(name, 'n', sizeof(name));
	for (unsigned k = 0; k < LABELS_A_MODEL_MAX; k++) {
		for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
			snprintf(name + 240, 16, "%u/%u", i, k);
			add(&labels, (int)i, name, "", true);
		}
	}
	begin_ns = tsk_now_ns();
	for (unsigned n = 0; n < 200; n++) {
		for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
			const struct label *label = labels_of(&labels, MODEL(i));

			assert_true(label && label->model == MODEL(i));
		}
	}
	/* It took seconds when all labels were looked at for each. */
	assert_true(tsk_now_ns() - begin_ns < TSK_NS_PER_SEC);
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		labels_settle(&labels, MODEL(i));
		snprintf(name + 240, 16, "%u/%u", i, LABELS_A_MODEL_MAX - 1);
		assert_string_equal(labels_of(&labels, MODEL(i))->name, name);
		if (i % 2)
			labels_drop(&labels, MODEL(i));
		assert_ptr_equal(labels_find(&labels, name, NULL), i % 2 ? NULL : MODEL(i));
	}
	labels_done(&labels);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_find),       TSK_TEST(test_nameless), TSK_TEST(test_move),
		TSK_TEST(test_pending),    TSK_TEST(test_limit),    TSK_TEST(test_many),
		TSK_TEST(test_all_of_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
