/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/onnx_file.h"

#include <errno.h>
#include <string.h>

#include "base/status.h"
#include "translate/constant.h"
#include "translate/graph_testing.h"

#define ROOM ((size_t)1 << 20)

/* y = x + 1.5, byte for byte as protobuf writes it by onnx.proto. */
static void test_a_file(void **state)
{
	static const unsigned char expected[] = {
		0x08, 9,                                                /* ir_version */
		0x12, 7,  't',  'e',  'n',  's',  'o',  'c',  'k',      /* producer_name */
		0x42, 4,  0x0a, 0,    0x10, 20,                         /* opset_import: "", 20 */
		0x3a, 74,                                               /* graph */
		0x0a, 23,                                               /* node */
		0x0a, 1,  'x',  0x0a, 2,    '%',  '2',  0x12, 1,   'y', /* its inputs, its output */
		0x1a, 6,  'n',  'o',  'd',  'e',  '#',  '0',            /* its name */
		0x22, 3,  'A',  'd',  'd',                              /* op_type */
		0x12, 5,  'g',  'r',  'a',  'p',  'h',                  /* the graph's name */
		0x2a, 12, 0x42, 2,    '%',  '2',  0x10, 1,       /* initializer: name, FLOAT */
		0x4a, 4,  0,    0,    0xc0, 0x3f,                /* raw_data */
		0x5a, 15, 0x0a, 1,    'x',  0x12, 10,   0x0a, 8, /* input */
		0x08, 1,  0x12, 4,    0x0a, 0,    0x0a, 0,       /* FLOAT, two open dimensions */
		0x62, 9,  0x0a, 1,    'y',  0x12, 4,    0x0a, 2,   0x08, 1, /* output */
	};
	struct onnx_value *x = onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_FLOAT32, NULL, 2);
	struct onnx_value *unused = onnx_int64(&graph, 1), *y;
	struct tensock_error error;
	unsigned char *bytes;
	size_t n;

	(void)state;
	(void)unused;
	graph.label = ONNX_TEXT("node");
	y = ONNX_CALL(&graph, "Add", x, onnx_scalar(&graph, TENSOCK_FLOAT32, 1.5));
	onnx_output(&graph, y, ONNX_TEXT("y"));
	assert_int_equal(onnx_file_write(&graph, ROOM, &bytes, &n, &error), 0);
	assert_int_equal(n, sizeof(expected));
	assert_memory_equal(bytes, expected, n);
	free(bytes);
}

static void refused(size_t room, enum tensock_status status)
{
	struct tensock_error error = { 0 };
	unsigned char *bytes = NULL;
	size_t n = 0;

	assert_true(onnx_file_write(&graph, room, &bytes, &n, &error) < 0);
	assert_int_equal(error.status, status);
	assert_null(bytes);
}

static void test_names_that_are_taken(void **state)
{
	struct onnx_value *x = onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_FLOAT32, NULL, 0);

	(void)state;
	onnx_output(&graph, ONNX_CALL(&graph, "Relu", x), ONNX_TEXT("y"));
	onnx_output(&graph, ONNX_CALL(&graph, "Relu", x), ONNX_TEXT("y"));
	refused(ROOM, TENSOCK_INVALID_MODEL);
	graph_teardown(NULL);
	graph_setup(NULL);
	x = onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_FLOAT32, NULL, 0);
	onnx_output(&graph, ONNX_CALL(&graph, "Relu", x), ONNX_TEXT("x"));
	refused(ROOM, TENSOCK_INVALID_MODEL);
}

/* Names that share their bytes in a file, and differ at the end alone, take long to be told apart. */
static void test_long_names(void **state)
{
	static char text[1500];

	(void)state;
	memset(text, 'n', sizeof(text));
	onnx_input(&graph, (struct onnx_text){ text, 1024 }, TENSOCK_FLOAT32, NULL, 0);
	onnx_output(&graph, ONNX_CALL(&graph, "Relu", graph.inputs->value), ONNX_TEXT("y"));
	onnx_output(&graph, ONNX_CALL(&graph, "Abs", graph.inputs->value),
		    (struct onnx_text){ text, 1025 });
	refused(ROOM, TENSOCK_TOO_LARGE);
}

static void test_too_many_ends(void **state)
{
	struct onnx_value *x = onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_FLOAT32, NULL, 0);

	(void)state;
	onnx_output(&graph, ONNX_CALL(&graph, "Relu", x), ONNX_TEXT("y"));
	for (unsigned i = 0; i < 1024; i++)
		onnx_input(&graph, (struct onnx_text){ 0 }, TENSOCK_FLOAT32, NULL, 0);
	refused(ROOM, TENSOCK_TOO_LARGE);
}

/* An author who calls a tensor as we would call the next one. */
static void test_names_like_ours(void **state)
{
	struct onnx_value *x = onnx_input(&graph, ONNX_TEXT("%%1"), TENSOCK_FLOAT32, NULL, 0);
	struct onnx_value *y = ONNX_CALL(&graph, "Relu", x);
	struct tensock_error error;
	unsigned char *bytes;
	size_t n;

	(void)state;
	onnx_output(&graph, ONNX_CALL(&graph, "Relu", y), ONNX_TEXT("%2"));
	assert_int_equal(onnx_file_write(&graph, ROOM, &bytes, &n, &error), 0);
	assert_non_null(memmem(bytes, n, "\x12\x04%%%1", 6));
	free(bytes);
}

static void test_too_large(void **state)
{
	static const unsigned char bytes[4096];
	static const int64_t dims[] = { 4096 };
	struct onnx_value *c = onnx_constant(&graph, TENSOCK_UINT8, dims, 1, bytes, sizeof(bytes));

	(void)state;
	onnx_output(&graph, ONNX_CALL(&graph, "Relu", c), ONNX_TEXT("y"));
	refused(4096, TENSOCK_TOO_LARGE);
}

static void write_nothing(const struct onnx_constant *constant, unsigned char *to)
{
	(void)constant;
	(void)to;
}

/* Two of 2^63 bytes are none, modulo 2^64: a small file's dimensions may say so. */
static void test_sizes_that_wrap(void **state)
{
	const struct onnx_constant half = { .dtype = TENSOCK_FLOAT64,
					    .rank = 1,
					    .dims = { INT64_C(1) << 60 },
					    .write = write_nothing };
	struct onnx_value *a = onnx_constant_made(&graph, &half);
	struct onnx_value *b = onnx_constant_made(&graph, &half);

	(void)state;
	onnx_output(&graph, ONNX_CALL(&graph, "Add", a, b), ONNX_TEXT("y"));
	assert_int_equal(graph.failed, 0);
	refused(ROOM, TENSOCK_TOO_LARGE);
}

static void test_what_the_graph_failed_with(void **state)
{
	(void)state;
	onnx_fail(&graph, -EINVAL);
	onnx_fail(&graph, -ENOMEM); /* the first counts */
	refused(ROOM, TENSOCK_INVALID_MODEL);
	graph.failed = -E2BIG;
	refused(ROOM, TENSOCK_TOO_LARGE);
	graph.failed = -ENOMEM;
	refused(ROOM, TENSOCK_OUT_OF_MEMORY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GRAPH_TEST(test_a_file),          GRAPH_TEST(test_names_that_are_taken),
		GRAPH_TEST(test_long_names),      GRAPH_TEST(test_too_many_ends),
		GRAPH_TEST(test_names_like_ours), GRAPH_TEST(test_too_large),
		GRAPH_TEST(test_sizes_that_wrap), GRAPH_TEST(test_what_the_graph_failed_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
