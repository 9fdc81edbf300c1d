/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: an empty graph for each of them. */
#ifndef TRANSLATE_GRAPH_TESTING_H
#define TRANSLATE_GRAPH_TESTING_H

#include "base/testing.h"
#include "translate/graph.h"

#define GRAPH_BYTES ((size_t)1 << 20)

static struct onnx_graph graph;

static int graph_setup(void **state)
{
	onnx_graph_init(&graph, GRAPH_BYTES);
	return tsk_test_setup(state);
}

static int graph_teardown(void **state)
{
	onnx_graph_done(&graph);
	return tsk_test_teardown(state);
}

#define GRAPH_TEST(test) cmocka_unit_test_setup_teardown(test, graph_setup, graph_teardown)

#endif
