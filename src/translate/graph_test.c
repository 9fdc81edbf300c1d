/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/graph.h"

#include <errno.h>
#include <string.h>

#include "translate/constant.h"
#include "translate/graph_testing.h"

static void test_nodes_stand_in_their_order(void **state)
{
	static const int64_t dims[] = { 1, -1, 3 };
	struct onnx_value *x = onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_FLOAT32, dims, 3);
	struct onnx_value *y = ONNX_CALL(&graph, "Relu", x);
	struct onnx_value *z = ONNX_CALL(&graph, "Add", y, x);

	(void)state;
	onnx_output(&graph, z, ONNX_TEXT("z"));
	assert_int_equal(graph.failed, 0);
	assert_string_equal(graph.nodes->op, "Relu");
	assert_string_equal(graph.nodes->next->op, "Add");
	assert_null(graph.nodes->next->next);
	assert_ptr_equal(graph.nodes->next->inputs->value, y);
	assert_ptr_equal(graph.nodes->next->inputs->next->value, x);
	assert_ptr_equal(z->maker, graph.nodes->next);
	assert_int_equal(y->dtype, TENSOCK_FLOAT32);
	assert_int_equal(y->rank, -1);
	assert_false(onnx_value_is_fixed(x));
	assert_true(z->is_output);
}

/* An input, a constant, and one value twice as outputs: each needs a name of its own. */
static void test_outputs_that_have_a_name_already(void **state)
{
	struct onnx_value *x = onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_FLOAT32, NULL, 0);
	struct onnx_value *y = ONNX_CALL(&graph, "Relu", x);
	struct onnx_value *c = onnx_int64(&graph, 7);

	(void)state;
	onnx_output(&graph, y, ONNX_TEXT("a"));
	onnx_output(&graph, y, ONNX_TEXT("b"));
	onnx_output(&graph, x, ONNX_TEXT("c"));
	onnx_output(&graph, c, ONNX_TEXT("d"));
	assert_int_equal(graph.n_outputs, 4);
	assert_int_equal(graph.n_nodes, 4);
	assert_string_equal(graph.last_node->op, "Identity");
	assert_memory_equal(x->name.bytes, "x", 1);
	assert_int_equal(graph.last_output->value->dtype, TENSOCK_INT64);
}

static void test_failure_is_sticky_and_harmless(void **state)
{
	struct onnx_value *v = onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_FLOAT32, NULL, 0);
	unsigned i;

	(void)state;
	for (i = 0; i < 100000 && !graph.failed; i++)
		v = ONNX_CALL(&graph, "Relu", v);
	assert_int_equal(graph.failed, -ENOMEM); /* the arena's limit */
	assert_true(i > 100);
	v = ONNX_CALL(&graph, "Add", v, v);
	onnx_attr_int(&graph, v->maker, "axis", 1);
	onnx_output(&graph, v, ONNX_TEXT("y"));
	assert_non_null(onnx_int64(&graph, 1));
	assert_int_equal(graph.failed, -ENOMEM);
}

static void test_bounds(void **state)
{
	struct onnx_value *x = onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_FLOAT32, NULL, 0);
	struct onnx_node *node = onnx_node(&graph, "Concat");

	(void)state;
	for (unsigned i = 0; i < ONNX_NODE_INPUTS_MAX; i++)
		onnx_in(&graph, node, x);
	assert_int_equal(graph.failed, 0);
	onnx_in(&graph, node, x);
	assert_int_equal(graph.failed, -E2BIG);
	graph_teardown(NULL);
	onnx_graph_init(&graph, 1 << 30);
	for (unsigned i = 0; i < ONNX_NODES_MAX; i++)
		onnx_node(&graph, "Relu");
	assert_int_equal(graph.failed, 0);
	onnx_node(&graph, "Relu");
	assert_int_equal(graph.failed, -E2BIG);
}

static void test_prune(void **state)
{
	struct onnx_value *x = onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_FLOAT32, NULL, 1);
	struct onnx_value *kept = ONNX_CALL(&graph, "Relu", x), *scale;

	(void)state;
	scale = onnx_scalar(&graph, TENSOCK_FLOAT32, 2);
	/* A chain that ends nowhere, with a constant of its own. */
	(void)ONNX_CALL(&graph, "Abs", ONNX_CALL(&graph, "Mul", kept, scale));
	onnx_output(&graph, ONNX_CALL(&graph, "Neg", kept), ONNX_TEXT("y"));
	assert_int_equal(graph.n_nodes, 4);
	onnx_prune(&graph);
	assert_int_equal(graph.n_nodes, 2);
	assert_string_equal(graph.nodes->op, "Relu");
	assert_string_equal(graph.last_node->op, "Neg");
	assert_null(graph.last_node->next);
	assert_true(kept->is_used);
	assert_false(scale->is_used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GRAPH_TEST(test_nodes_stand_in_their_order),
		GRAPH_TEST(test_outputs_that_have_a_name_already),
		GRAPH_TEST(test_prune),
		GRAPH_TEST(test_failure_is_sticky_and_harmless),
		GRAPH_TEST(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
