/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/operators.h"

#include <stdio.h>
#include <string.h>

#include "translate/constant.h"
#include "translate/graph_testing.h"
#include "translate/onnx_file.h"

static char text[OPERATORS_BYTES];

/* Those of the graph's file, cut off n bytes before its end. */
static bool operators_of_graph(size_t cut)
{
	struct tensock_error error;
	unsigned char *bytes;
	bool found;
	size_t n;

	assert_int_equal(onnx_file_write(&graph, 1 << 20, &bytes, &n, &error), 0);
	found = operators_of(bytes, n - cut, text);
	free(bytes);
	return found;
}

static void test_the_most_frequent_first(void **state)
{
	struct onnx_value *x = onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_FLOAT32, NULL, 0);

	(void)state;
	x = ONNX_CALL(&graph, "Relu", x);
	for (unsigned i = 0; i < 12; i++)
		x = ONNX_CALL(&graph, "Conv", x, x);
	x = ONNX_CALL(&graph, "Add", ONNX_CALL(&graph, "Add", x, x), x);
	onnx_output(&graph, x, ONNX_TEXT("y"));
	assert_true(operators_of_graph(0));
	assert_string_equal(text, "Conv 12, Add 2, Relu 1");
}

static void test_lists_that_do_not_fit(void **state)
{
	struct onnx_value *x = onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_FLOAT32, NULL, 0);
	static char names[100][16];

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		snprintf(names[i], sizeof(names[i]), "Operator%u", i);
		x = ONNX_CALL(&graph, names[i], x);
	}
	onnx_output(&graph, x, ONNX_TEXT("y"));
	assert_true(operators_of_graph(0));
	assert_true(strlen(text) < OPERATORS_BYTES);
	assert_true(strlen(text) > OPERATORS_BYTES - 40);
	assert_string_equal(text + strlen(text) - 5, ", ...");
}

/* Protobuf's last word counts, and no node is two; of long names what is told tells them apart. */
static void test_names_that_are_odd(void **state)
{
	static const char twice[] = "\x08\x08\x3a\x0e\x0a\x0c\x22\x03"
				    "Abs\x22\x05"
				    "Relu1";
	static char names[2][100];
	struct onnx_value *x = onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_FLOAT32, NULL, 0);

	(void)state;
	assert_true(operators_of(twice, sizeof(twice) - 1, text));
	assert_string_equal(text, "Relu1 1");
	for (int i = 0; i < 2; i++) {
		memset(names[i], 'n', sizeof(names[i]) - 2);
		names[i][98] = (char)('0' + i);
		x = ONNX_CALL(&graph, names[i], x);
	}
	onnx_output(&graph, x, ONNX_TEXT("y"));
	assert_true(operators_of_graph(0));
	assert_string_equal(text, "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn 2");
}

static void test_what_has_none(void **state)
{
	struct onnx_value *x = onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_FLOAT32, NULL, 0);

	(void)state;
	assert_false(operators_of("", 0, text));
	assert_false(operators_of("no model", 8, text));
	assert_false(operators_of_graph(0)); /* no node */
	onnx_output(&graph, ONNX_CALL(&graph, "Relu", x), ONNX_TEXT("y"));
	assert_true(operators_of_graph(0));
	assert_false(operators_of_graph(1)); /* the graph does not fit any more */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GRAPH_TEST(test_the_most_frequent_first),
		GRAPH_TEST(test_lists_that_do_not_fit),
		GRAPH_TEST(test_names_that_are_odd),
		GRAPH_TEST(test_what_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
