/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance/onnx_models.h"

static struct pb node(const char *operator, const char * const * inputs, const char *output)
{
	struct pb node = pb_empty();

	for (; *inputs; inputs++)
		pb_add_text(&node, 1, *inputs);
	pb_add_text(&node, 2, output);
	pb_add_text(&node, 4, operator);
	return node;
}

static struct pb value(const char *name, uint64_t type, const int64_t *dims, unsigned rank)
{
	struct pb value = pb_empty(), tensor = pb_empty(), shape = pb_empty();

	for (unsigned i = 0; i < rank; i++) {
		struct pb dim = pb_empty();

		if (dims[i] >= 0)
			pb_add_number(&dim, 1, (uint64_t)dims[i]);
		else
			pb_add_text(&dim, 2, "N");
		pb_add_message(&shape, 1, dim);
	}
	pb_add_number(&tensor, 1, type);
	pb_add_message(&tensor, 2, shape);
	pb_add_text(&value, 1, name);
	pb_add_message(&value, 2, pb_wrap(1, tensor));
	return value;
}

static struct pb model(struct pb graph)
{
	struct pb model = pb_empty(), operators = pb_empty();

	pb_add_number(&operators, 2, 13);
	pb_add_number(&model, 1, 8);
	pb_add_message(&model, 7, graph);
	pb_add_message(&model, 8, operators);
	return model;
}

/* One node from x to y. */
static struct pb one_node(struct pb node, struct pb x, struct pb y)
{
	struct pb graph = pb_empty();

	pb_add_message(&graph, 1, node);
	pb_add_text(&graph, 2, "g");
	pb_add_message(&graph, 11, x);
	pb_add_message(&graph, 12, y);
	return model(graph);
}

static struct pb x_to_y(const char *operator)
{
	return node(operator,(const char *const[]){ "x", NULL }, "y");
}

struct pb onnx_identity(uint64_t type, const int64_t *dims, unsigned rank)
{
	return one_node(x_to_y("Identity"), value("x", type, dims, rank),
			value("y", type, dims, rank));
}

struct pb onnx_liar(void)
{
	return one_node(x_to_y("NonZero"), value("x", ONNX_INT64, (int64_t[]){ 4 }, 1),
			value("y", ONNX_INT64, (int64_t[]){ 1, 4 }, 2));
}

struct pb onnx_of_shape(void)
{
	return one_node(x_to_y("ConstantOfShape"), value("x", ONNX_INT64, (int64_t[]){ 1 }, 1),
			value("y", ONNX_FLOAT, (int64_t[]){ -1 }, 1));
}

struct pb onnx_unknown_operator(void)
{
	return one_node(x_to_y("Frobnicate"), value("x", ONNX_FLOAT, (int64_t[]){ 1 }, 1),
			value("y", ONNX_FLOAT, (int64_t[]){ 1 }, 1));
}

/* Loop's body: goes on as long as it goes on, and hands v through. */
static struct pb body(void)
{
	struct pb graph = pb_empty();

	pb_add_message(&graph, 1, node("Identity", (const char *const[]){ "go", NULL }, "go_on"));
	pb_add_message(&graph, 1, node("Identity", (const char *const[]){ "v", NULL }, "w"));
	pb_add_text(&graph, 2, "body");
	pb_add_message(&graph, 11, value("i", ONNX_INT64, NULL, 0));
	pb_add_message(&graph, 11, value("go", ONNX_BOOL, NULL, 0));
	pb_add_message(&graph, 11, value("v", ONNX_INT64, NULL, 0));
	pb_add_message(&graph, 12, value("go_on", ONNX_BOOL, NULL, 0));
	pb_add_message(&graph, 12, value("w", ONNX_INT64, NULL, 0));
	return graph;
}

struct pb onnx_endless_loop(void)
{
	struct pb loop = node("Loop", (const char *const[]){ "", "go", "x", NULL }, "y");
	struct pb attribute = pb_empty(), graph = pb_empty(), go = pb_empty();

	pb_add_text(&attribute, 1, "body");
	pb_add_message(&attribute, 6, body());
	pb_add_number(&attribute, 20, 5);
	pb_add_message(&loop, 5, attribute);
	pb_add_number(&go, 2, ONNX_BOOL);
	pb_add_text(&go, 8, "go");
	pb_add_bytes(&go, 9, "\1", 1);
	pb_add_message(&graph, 1, loop);
	pb_add_text(&graph, 2, "g");
	pb_add_message(&graph, 5, go);
	pb_add_message(&graph, 11, value("x", ONNX_INT64, NULL, 0));
	pb_add_message(&graph, 12, value("y", ONNX_INT64, NULL, 0));
	return model(graph);
}

struct pb onnx_thief(void)
{
	struct pb tensor = pb_empty(), entry = pb_empty(), graph = pb_empty();

	pb_add_text(&entry, 1, "location");
	pb_add_text(&entry, 2, "/etc/passwd");
	pb_add_number(&tensor, 1, 64);
	pb_add_number(&tensor, 2, 2);
	pb_add_text(&tensor, 8, "x");
	pb_add_message(&tensor, 13, entry);
	pb_add_number(&tensor, 14, 1);
	pb_add_message(&graph, 1, x_to_y("Identity"));
	pb_add_text(&graph, 2, "g");
	pb_add_message(&graph, 5, tensor);
	pb_add_message(&graph, 12, value("y", 2, (int64_t[]){ 64 }, 1));
	return model(graph);
}
