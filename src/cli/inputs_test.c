/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inputs.h"

#include <stdio.h>
#include <string.h>

#include "base/testing.h"
#include "tensor/seed_random.h"

static const struct tensock_tensor_info infos[] = {
	{ .name = "x", .dtype = TENSOCK_FLOAT32, .rank = 4, .dims = { -1, 3, -1, -1 } },
	{ .name = "x=1", .dtype = TENSOCK_INT64, .rank = 1, .dims = { -1 } },
	{ .name = "1", .dtype = TENSOCK_BYTES, .rank = 2, .dims = { 2, 3 } },
	{ .name = "any", .dtype = TENSOCK_FLOAT16, .rank = 0 },
};
#define N ((uint32_t)ARRAY_SIZE(infos))

static char folder[] = "/tmp/tensock-inputs.XXXXXX";

static const char *path_of(const char *name)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const void *bytes, size_t n)
{
	FILE *file = fopen(path_of(name), "wb");

	assert_int_equal(fwrite(bytes, 1, n, file), n);
	fclose(file);
}

/* Makes the inputs with these settings (NULL: none): the status. */
static int make(const char *value, const char *shape, struct inputs *ret,
		struct tensock_error *reterr)
{
	struct settings values = { 0 }, shapes = { 0 };
	char text[200];

	if (value) {
		const char *at = strstr(value, "DIR/");

		snprintf(text, sizeof(text), at ? "%.*s%s/%s" : "%.*s",
			 at ? (int)(at - value) : 150, value, folder, at ? at + 4 : "");
		assert_int_equal(settings_add(&values, text), 0);
	}
	if (shape)
		assert_int_equal(settings_add(&shapes, shape), 0);
	*reterr = (struct tensock_error){ 0 };
	(void)!inputs_make(infos, N, &values, &shapes, ret, reterr);
	settings_done(&values);
	settings_done(&shapes);
	return (int)reterr->status;
}

static void test_made_up(void **state)
{
	struct seed_random random;
	struct tensock_error error;
	struct inputs inputs;
	float first[2];

	(void)state;
	assert_int_equal(make(NULL, NULL, &inputs, &error), 0);
	assert_int_equal(inputs.n, N);
	assert_memory_equal(inputs.tensors[0].dims, ((int64_t[]){ 1, 3, 224, 224 }), 32);
	assert_int_equal(inputs.tensors[0].bytes, 602112);
	seed_random_init(&random);
	first[0] = seed_random_next(&random);
	first[1] = seed_random_next(&random);
	assert_memory_equal(inputs.tensors[0].data, first, 8);
	assert_memory_equal(inputs.tensors[1].data, "\0\0\0\0\0\0\0\0", 8);
	assert_int_equal(inputs.tensors[2].bytes, 24);
	assert_int_equal(inputs.tensors[3].bytes, 2);
	inputs_done(&inputs);
	assert_int_equal(make("x=zeros", "x=2,3,1,5", &inputs, &error), 0);
	assert_int_equal(inputs.tensors[0].bytes, 120);
	assert_memory_equal(inputs.tensors[0].data, "\0\0\0\0", 4);
	inputs_done(&inputs);
	assert_int_equal(make(NULL, "any=2,5", &inputs, &error), 0); /* rank 0: any */
	assert_int_equal(inputs.tensors[3].bytes, 20);
	inputs_done(&inputs);
}

static void finds(const char *text, uint32_t expected, const char *value)
{
	uint32_t index = UINT32_MAX;
	const char *found = NULL;
	int r = settings_find("--input", text, infos, N, &index, &found, NULL);

	assert_true(value ? r == 0 : r < 0);
	if (!value)
		return;
	assert_int_equal(index, expected);
	assert_string_equal(found, value);
}

/* A name before an index, the longer name before the shorter. */
static void test_names(void **state)
{
	(void)state;
	finds("x=a", 0, "a");
	finds("x==a", 0, "=a");
	finds("x=1=a", 1, "a");
	finds("1=a", 2, "a");
	finds("0=a", 0, "a");
	finds("3=", 3, "");
	finds("4=a", 0, NULL);
	finds("99999999999999999999=a", 0, NULL);
	finds("=a", 0, NULL);
	finds("x", 0, NULL);
	finds("y=a", 0, NULL);
	finds("-1=a", 0, NULL);
}

static void test_files(void **state)
{
	static const char head[] = "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }\n";
	unsigned char npy[100] = "\x93NUMPY\1\0";
	struct tensock_error error;
	struct inputs inputs;

	(void)state;
	npy[8] = sizeof(head) - 1;
	memcpy(npy + 10, head, sizeof(head) - 1);
	memcpy(npy + 9 + sizeof(head), "\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0", 16);
	write_file("good.npy", npy, 9 + sizeof(head) + 16);
	write_file("short.npy", npy, 9 + sizeof(head) + 15);
	write_file("raw", npy, 8);
	assert_int_equal(make("x=1=DIR/good.npy", NULL, &inputs, &error), 0);
	assert_int_equal(inputs.tensors[1].dims[0], 2);
	assert_memory_equal(inputs.tensors[1].data, "\1\0\0\0\0\0\0\0\2", 9);
	inputs_done(&inputs);
	assert_int_equal(make("x=1=@DIR/raw", NULL, &inputs, &error), 0);
	assert_memory_equal(inputs.tensors[1].data, npy, 8);
	inputs_done(&inputs);
	assert_int_equal(make("x=1=@DIR/raw", "1=2,3", &inputs, &error), 0);
	inputs_done(&inputs);
	assert_int_equal(make("x=1=@DIR/raw", "x=1=2", &inputs, &error), TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(make("0=@DIR/raw", "0=1,3,4611686018427387904,4", &inputs, &error),
			 TENSOCK_INVALID_ARGUMENT);
	assert_non_null(strstr(error.message, "larger than any memory"));
	assert_int_equal(make("x=1=DIR/short.npy", NULL, &inputs, &error),
			 TENSOCK_INVALID_ARGUMENT);
	assert_non_null(strstr(error.message, "short.npy: "));
	assert_int_equal(make("x=DIR/good.npy", NULL, &inputs, &error), TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(make("x=1=DIR/none.npy", NULL, &inputs, &error), TENSOCK_NOT_FOUND);
	assert_int_equal(make("x=1=DIR/", NULL, &inputs, &error), TENSOCK_INVALID_ARGUMENT);
	unlink(path_of("good.npy"));
	unlink(path_of("short.npy"));
	unlink(path_of("raw"));
}

static void test_refused_shapes(void **state)
{
	static const char *const shapes[] = { "x=1,3,224",
					      "x=1,4,224,224",
					      "x=",
					      "x=1,3,a,224",
					      "x=1,3,9223372036854775807,9223372036854775807",
					      "y=1" };
	struct tensock_error error;
	struct inputs inputs;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++)
		assert_int_not_equal(make(NULL, shapes[i], &inputs, &error), 0);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_made_up),
		TSK_TEST(test_names),
		TSK_TEST(test_files),
		TSK_TEST(test_refused_shapes),
	};

	return cmocka_run_group_tests_name("inputs", tests, make_folder, remove_folder);
}
