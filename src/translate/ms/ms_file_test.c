/* SPDX-License-Identifier: Apache-2.0 */
/* Files of MSL2, good and spoilt, through the translator as a whole. */
#include "translate/ms/ms_file.h"

#include "base/testing.h"
#include "translate/ms/flatbuffer_testing.h"
#include "translate/ms/ms.h"

#define MEMORY ((size_t)8 << 20)
#define FLOAT32 43
#define INT32 34
#define FLOAT16 42

enum {
	ABS = 1,
	ADD = 5,
	FLOOR_MOD = 65,
	REDUCE = 118,
	RESIZE = 120,
	TRANSPOSE = 162,
	GROUP_NORM = 211,
};

static struct build build;
static size_t root, nodes, tensors;

/* MetaGraph with places for nodes and tensors, and one input and output, 0 and the last tensor. */
static void begin(uint32_t n_nodes, uint32_t n_tensors)
{
	root = build_root(&build, "MSL2", 11);
	build_text(&build, root, 1, "MindSpore Lite 1.5.0");
	build_ints(&build, root, 3, (const int32_t[]){ 0 }, 1);
	build_ints(&build, root, 4, (const int32_t[]){ (int32_t)n_tensors - 1 }, 1);
	nodes = build_vector(&build, root, 6, n_nodes, 4);
	tensors = build_vector(&build, root, 7, n_tensors, 4);
}

static void add_tensor(uint32_t i, const char *name, const float *data, uint32_t n)
{
	size_t table = build_element(&build, tensors, i, 13);

	build_scalar(&build, table, 1, FLOAT32);
	if (name)
		build_text(&build, table, 9, name);
	build_ints(&build, table, 2, (const int32_t[]){ data ? (int32_t)n : 2, 3 }, data ? 1 : 2);
	if (data)
		memcpy(build.bytes + build_vector(&build, table, 6, n * 4, 1), data, n * 4);
}

static void add_ints(uint32_t i, const int32_t *v, uint32_t n)
{
	size_t table = build_element(&build, tensors, i, 13), data;

	build_scalar(&build, table, 1, INT32);
	build_ints(&build, table, 2, (const int32_t[]){ (int32_t)n }, 1);
	data = build_vector(&build, table, 6, n * 4, 1);
	for (uint32_t k = 0; k < n; k++)
		build_put(&build, data + 4 * (size_t)k, (uint32_t)v[k], 4);
}

static void add_image(uint32_t i)
{
	size_t table = build_element(&build, tensors, i, 13);

	build_scalar(&build, table, 1, FLOAT32);
	build_ints(&build, table, 2, (const int32_t[]){ 1, 2, 3, 4 }, 4);
}

/* Gives the operator's table, of one field. */
static size_t add_node(uint32_t i, const char *name, uint8_t type, const int32_t *inputs,
		       uint32_t n_inputs, int32_t output)
{
	size_t table = build_element(&build, nodes, i, 6), primitive;

	build_text(&build, table, 0, name);
	build_ints(&build, table, 3, inputs, n_inputs);
	build_ints(&build, table, 4, &output, 1);
	primitive = build_child(&build, table, 2, 2);
	build_scalar(&build, primitive, 0, type);
	return build_child(&build, primitive, 1, 1);
}

/* y = |x| + [1, 2, 3]; the nodes stand in this order, or the other way round. */
static void build_good(bool turned)
{
	static const float v[] = { 1, 2, 3 };

	begin(2, 4);
	add_node(turned, "first", ABS, (const int32_t[]){ 0 }, 1, 1);
	add_node(!turned, "second", ADD, (const int32_t[]){ 1, 2 }, 2, 3);
	add_tensor(0, "x", NULL, 0);
	add_tensor(1, NULL, NULL, 0);
	add_tensor(3, "y", NULL, 0);
	add_tensor(2, NULL, v, 3);
}

static int translated(const void *bytes, size_t n, struct onnx_graph *graph,
		      struct tensock_error *error)
{
	*error = (struct tensock_error){ 0 };
	onnx_graph_init(graph, MEMORY);
	return ms_translate(bytes, n, graph, error);
}

/* The file is refused by a sentence with these words. */
static void refused(enum tensock_status status, const char *words)
{
	struct onnx_graph graph;
	struct tensock_error error;

	assert_true(translated(build.bytes, build.n, &graph, &error) < 0);
	assert_int_equal(error.status, status);
	if (!strstr(error.message, words))
		fail_msg("'%s' is not in '%s'", words, error.message);
	onnx_graph_done(&graph);
}

static void check_good(void)
{
	struct onnx_graph graph;
	struct tensock_error error;
	const struct onnx_value *y;

	assert_int_equal(translated(build.bytes, build.n, &graph, &error), 0);
	assert_int_equal(graph.failed, 0);
	assert_int_equal(graph.n_nodes, 2);
	assert_string_equal(graph.nodes->op, "Abs");
	assert_string_equal(graph.last_node->op, "Add");
	assert_memory_equal(graph.inputs->value->name.bytes, "x", 1);
	y = graph.outputs->value;
	assert_memory_equal(y->name.bytes, "y", 1);
	assert_int_equal(y->rank, 2);
	assert_int_equal(y->dims[0], 2);
	assert_int_equal(y->dims[1], 3);
	onnx_graph_done(&graph);
}

static void test_good(void **state)
{
	(void)state;
	build_good(false);
	assert_true(ms_probe(build.bytes, build.n));
	check_good();
}

static void test_nodes_in_the_wrong_order(void **state)
{
	(void)state;
	build_good(true);
	check_good();
}

static void test_cut_anywhere(void **state)
{
	(void)state;
	build_good(false);
	for (size_t n = 0; n < build.n; n++) {
		struct onnx_graph graph;
		struct tensock_error error;
		unsigned char *cut = malloc(n ? n : 1);

		assert_non_null(cut);
		memcpy(cut, build.bytes, n);
		assert_true(translated(cut, n, &graph, &error) < 0);
		assert_true(error.message[0] != '\0');
		onnx_graph_done(&graph);
		free(cut);
	}
}

/* Whatever a number becomes, the file is translated or refused by a sentence. */
static void test_every_number_tampered(void **state)
{
	static const uint32_t values[] = { 0,          1,          4,          0xff,
					   0x7fff,     0xffff,     0x10000000, 0x7fffffff,
					   0x80000000, 0xfffffffe, 0xffffffff };
	struct build good;
	unsigned n_refused = 0;

	(void)state;
	build_good(false);
	good = build;
	for (size_t at = 0; at + 4 <= good.n; at += 2) {
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			struct onnx_graph graph;
			struct tensock_error error;
			int r;

			build = good;
			build_put(&build, at, values[i], 4);
			r = translated(build.bytes, build.n, &graph, &error);
			assert_true(r == 0 || error.message[0] != '\0');
			n_refused += r < 0;
			onnx_graph_done(&graph);
		}
	}
	assert_true(n_refused > 1000);
}

static void test_cycles(void **state)
{
	(void)state;
	begin(2, 3);
	add_node(0, "a", ABS, (const int32_t[]){ 2 }, 1, 1);
	add_node(1, "b", ABS, (const int32_t[]){ 1 }, 1, 2);
	for (uint32_t i = 0; i < 3; i++)
		add_tensor(i, NULL, NULL, 0);
	refused(TENSOCK_INVALID_MODEL, "its own output");
}

static void test_two_makers(void **state)
{
	(void)state;
	begin(2, 2);
	add_node(0, "a", ABS, (const int32_t[]){ 0 }, 1, 1);
	add_node(1, "b", ABS, (const int32_t[]){ 0 }, 1, 1);
	for (uint32_t i = 0; i < 2; i++)
		add_tensor(i, NULL, NULL, 0);
	refused(TENSOCK_INVALID_MODEL, "made by another");
}

static void test_an_output_that_is_an_input(void **state)
{
	(void)state;
	begin(1, 2);
	add_node(0, "a", ABS, (const int32_t[]){ 1 }, 1, 0);
	for (uint32_t i = 0; i < 2; i++)
		add_tensor(i, NULL, NULL, 0);
	refused(TENSOCK_INVALID_MODEL, "an input");
}

static void test_an_output_that_is_a_constant(void **state)
{
	static const float v[] = { 1 };

	(void)state;
	begin(1, 2);
	add_node(0, "a", ABS, (const int32_t[]){ 0 }, 1, 1);
	add_tensor(0, "x", NULL, 0);
	add_tensor(1, "y", v, 1);
	refused(TENSOCK_INVALID_MODEL, "a constant");
}

static void test_an_input_that_is_named_twice(void **state)
{
	(void)state;
	build_good(false);
	build_ints(&build, root, 3, (const int32_t[]){ 0, 0 }, 2);
	refused(TENSOCK_INVALID_MODEL, "an input twice");
}

static void test_inputs_and_outputs_that_are_none(void **state)
{
	(void)state;
	build_good(false);
	build_ints(&build, root, 3, (const int32_t[]){ 4 }, 1);
	refused(TENSOCK_INVALID_MODEL, "tensor 4");
	build_good(false);
	build_ints(&build, root, 4, (const int32_t[]){ -1 }, 1);
	refused(TENSOCK_INVALID_MODEL, "tensor 4294967295");
	build_good(false);
	build_ints(&build, root, 4, NULL, 0);
	refused(TENSOCK_INVALID_MODEL, "0 outputs");
}

static void test_data_in_another_file(void **state)
{
	size_t table;

	(void)state;
	build_good(false);
	table = build_element(&build, tensors, 2, 13);
	build_vector(&build, table, 12, 1, 4);
	refused(TENSOCK_UNSUPPORTED, "in another file");
}

static void test_numbers_of_tensors(void **state)
{
	(void)state;
	begin(1, 2);
	add_node(0, "a", ABS, (const int32_t[]){ 7 }, 1, 1);
	for (uint32_t i = 0; i < 2; i++)
		add_tensor(i, NULL, NULL, 0);
	refused(TENSOCK_INVALID_MODEL, "tensor 7");
}

/* Nodes that are one and the same in the file: what a few bytes say many times over is counted. */
static void test_edges_of_all_nodes(void **state)
{
	static const int32_t inputs[1000] = { 0 };
	const uint32_t n_nodes = 1100;
	size_t table;

	(void)state;
	begin(n_nodes, 1);
	table = build_table(&build, 6);
	build_ints(&build, table, 3, inputs, 1000);
	for (uint32_t i = 0; i < n_nodes; i++) {
		size_t at = nodes + 4 * (size_t)i;

		build_put(&build, at, table - at, 4);
	}
	add_tensor(0, "x", NULL, 0);
	refused(TENSOCK_TOO_LARGE, "or of all");
}

static void test_what_nobody_makes(void **state)
{
	(void)state;
	begin(1, 3);
	add_node(0, "the/culprit", ABS, (const int32_t[]){ 1 }, 1, 2);
	for (uint32_t i = 0; i < 3; i++)
		add_tensor(i, NULL, NULL, 0);
	refused(TENSOCK_INVALID_MODEL, "the/culprit");
}

/* An image that is there in NCHW only, and is reduced over as many axes as it has, or so it seems. */
static void test_an_axis_that_is_named_twice(void **state)
{
	(void)state;
	begin(2, 5);
	add_node(0, "to NHWC", TRANSPOSE, (const int32_t[]){ 0, 1 }, 2, 2);
	add_node(1, "sum", REDUCE, (const int32_t[]){ 2, 3 }, 2, 4);
	add_image(0);
	add_ints(1, (const int32_t[]){ 0, 2, 3, 1 }, 4);
	add_tensor(2, NULL, NULL, 0);
	add_ints(3, (const int32_t[]){ 1, 1, -3, 1 }, 4);
	add_tensor(4, "y", NULL, 0);
	refused(TENSOCK_INVALID_MODEL, "twice");
}

/* Of floats and integers: ONNX has no operator of both, and which it should be is not for us to say. */
static void test_operands_of_two_kinds(void **state)
{
	static const uint8_t types[] = { ADD, FLOOR_MOD };

	(void)state;
	for (size_t i = 0; i < sizeof(types); i++) {
		begin(1, 3);
		add_node(0, "n", types[i], (const int32_t[]){ 0, 1 }, 2, 2);
		add_tensor(0, "x", NULL, 0);
		add_ints(1, (const int32_t[]){ 1, 2, 3 }, 3);
		add_tensor(2, "y", NULL, 0);
		refused(TENSOCK_UNSUPPORTED, "different types");
	}
}

/*
 * [1, 4, 1, 4] behind a transposition, with a scale of 4: channels are second, though the image is there
 * in NCHW only, where those would be third.
 */
static void test_groups_of_either_axis(void **state)
{
	static const float ones[] = { 1, 1, 1, 1 };
	struct onnx_graph graph;
	struct tensock_error error;
	size_t table;

	(void)state;
	begin(2, 6);
	add_node(0, "to NHWC", TRANSPOSE, (const int32_t[]){ 0, 1 }, 2, 2);
	build_scalar(&build, add_node(1, "n", GROUP_NORM, (const int32_t[]){ 2, 3, 4 }, 3, 5), 0,
		     2);
	table = build_element(&build, tensors, 0, 13);
	build_scalar(&build, table, 1, FLOAT32);
	build_ints(&build, table, 2, (const int32_t[]){ 1, 4, 4, 1 }, 4);
	add_ints(1, (const int32_t[]){ 0, 2, 3, 1 }, 4);
	add_tensor(2, NULL, NULL, 0);
	add_tensor(3, NULL, ones, 4);
	add_tensor(4, NULL, ones, 4);
	add_tensor(5, "y", NULL, 0);
	assert_int_equal(translated(build.bytes, build.n, &graph, &error), 0);
	assert_int_equal(graph.failed, 0);
	assert_string_equal(graph.nodes->op, "Transpose");
	assert_string_equal(graph.last_node->op, "Add");
	onnx_graph_done(&graph);
}

/* Scales that an input gives, of half the size: no sizes, which are integers. */
static void test_scales_of_float16(void **state)
{
	struct onnx_graph graph;
	struct tensock_error error;
	const struct onnx_node *node;
	size_t scales;

	(void)state;
	begin(1, 3);
	build_ints(&build, root, 3, (const int32_t[]){ 0, 1 }, 2);
	add_node(0, "n", RESIZE, (const int32_t[]){ 0, 1 }, 2, 2);
	add_image(0);
	scales = build_element(&build, tensors, 1, 13);
	build_scalar(&build, scales, 1, FLOAT16);
	build_text(&build, scales, 9, "scales");
	build_ints(&build, scales, 2, (const int32_t[]){ 2 }, 1);
	add_tensor(2, "y", NULL, 0);
	assert_int_equal(translated(build.bytes, build.n, &graph, &error), 0);
	assert_int_equal(graph.failed, 0);
	node = graph.nodes;
	while (node && strcmp(node->op, "Resize") != 0)
		node = node->next;
	assert_non_null(node);
	/* x, a region, scales; sizes would be the fourth. */
	assert_int_equal(node->n_inputs, 3);
	assert_int_equal(node->last_input->value->dtype, TENSOCK_FLOAT32);
	onnx_graph_done(&graph);
}

static void test_operators_by_name(void **state)
{
	static const struct {
		uint8_t type;
		const char *words;
	} of[] = { { 4, "Adam 'n'" },     { 154, "Switch 'n'" },
		   { 191, "Custom 'n'" }, { 16, "AudioSpectrogram 'n'" },
		   { 0, "number, 0" },    { 255, "number, 255" } };

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		begin(1, 2);
		add_node(0, "n", of[i].type, (const int32_t[]){ 0 }, 1, 1);
		for (uint32_t k = 0; k < 2; k++)
			add_tensor(k, NULL, NULL, 0);
		refused(TENSOCK_UNSUPPORTED, of[i].words);
	}
}

static void test_other_kinds_of_files(void **state)
{
	size_t subgraphs;

	(void)state;
	build_good(false);
	build_scalar(&build, root, 9, 1);
	refused(TENSOCK_UNSUPPORTED, "obfuscated");
	build_good(false);
	subgraphs = build_vector(&build, root, 8, 2, 4);
	build_element(&build, subgraphs, 0, 5);
	build_element(&build, subgraphs, 1, 5);
	refused(TENSOCK_UNSUPPORTED, "2 subgraphs");
	build_good(false);
	build.bytes[7] = '3';
	refused(TENSOCK_UNSUPPORTED, "MSL3");
}

static void test_data_of_another_size(void **state)
{
	static const float v[] = { 1, 2, 3, 4 };

	(void)state;
	begin(1, 3);
	add_node(0, "n", ADD, (const int32_t[]){ 0, 1 }, 2, 2);
	add_tensor(0, "x", NULL, 0);
	add_tensor(2, "y", NULL, 0);
	add_tensor(1, "w", v, 4);
	/* The vector's count is before its elements, which are last. */
	build_put(&build, build.n - sizeof(v) - 4, 12, 4);
	refused(TENSOCK_INVALID_MODEL, "12 bytes");
}

static void test_inputs_without_names(void **state)
{
	struct onnx_graph graph;
	struct tensock_error error;

	(void)state;
	begin(1, 2);
	add_node(0, "conv", ABS, (const int32_t[]){ 0 }, 1, 1);
	for (uint32_t i = 0; i < 2; i++)
		add_tensor(i, NULL, NULL, 0);
	assert_int_equal(translated(build.bytes, build.n, &graph, &error), 0);
	assert_int_equal(graph.inputs->value->name.len, 5);
	assert_memory_equal(graph.inputs->value->name.bytes, "conv0", 5);
	assert_int_equal(graph.outputs->value->name.len, 1);
	assert_memory_equal(graph.outputs->value->name.bytes, "1", 1);
	onnx_graph_done(&graph);
}

/* Networks of many layers within layers have such: the end tells them apart. */
static void test_inputs_that_long_names_are_made_for(void **state)
{
	static const char front[] = "Default/network-WithLossCell/_backbone-ResNet/layer1-Seq";
	struct onnx_graph graph;
	struct tensock_error error;
	char name[200];

	(void)state;
	begin(1, 2);
	snprintf(name, sizeof(name), "%s/%s", front, front);
	add_node(0, name, ABS, (const int32_t[]){ 0 }, 1, 1);
	for (uint32_t i = 0; i < 2; i++)
		add_tensor(i, NULL, NULL, 0);
	build_ints(&build, root, 4, (const int32_t[]){ 0 }, 1);
	assert_int_equal(translated(build.bytes, build.n, &graph, &error), 0);
	snprintf(name, sizeof(name), "%s/%s0", front, front);
	assert_int_equal(graph.inputs->value->name.len, strlen(name));
	assert_memory_equal(graph.inputs->value->name.bytes, name, strlen(name));
	snprintf(name, sizeof(name), "%s/%s0:output", front, front);
	assert_int_equal(graph.outputs->value->name.len, strlen(name));
	assert_memory_equal(graph.outputs->value->name.bytes, name, strlen(name));
	onnx_graph_done(&graph);
}

static void test_probe(void **state)
{
	(void)state;
	build_good(false);
	/* As of 1.0: told by what it holds. */
	memset(build.bytes + 4, 0, 4);
	assert_true(ms_probe(build.bytes, build.n));
	build.bytes[0] ^= 4;
	assert_false(ms_probe(build.bytes, build.n));
	assert_false(ms_probe("\x08\x09\x12\x00\x00\x00\x00\x00", 8));
	assert_false(ms_probe("MSL2", 4));
	assert_true(ms_probe("\0\0\0\0MSL1", 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_good),
		TSK_TEST(test_nodes_in_the_wrong_order),
		TSK_TEST(test_cut_anywhere),
		TSK_TEST(test_every_number_tampered),
		TSK_TEST(test_cycles),
		TSK_TEST(test_two_makers),
		TSK_TEST(test_an_output_that_is_an_input),
		TSK_TEST(test_an_output_that_is_a_constant),
		TSK_TEST(test_an_input_that_is_named_twice),
		TSK_TEST(test_inputs_and_outputs_that_are_none),
		TSK_TEST(test_data_in_another_file),
		TSK_TEST(test_numbers_of_tensors),
		TSK_TEST(test_edges_of_all_nodes),
		TSK_TEST(test_what_nobody_makes),
		TSK_TEST(test_an_axis_that_is_named_twice),
		TSK_TEST(test_operands_of_two_kinds),
		TSK_TEST(test_groups_of_either_axis),
		TSK_TEST(test_scales_of_float16),
		TSK_TEST(test_operators_by_name),
		TSK_TEST(test_other_kinds_of_files),
		TSK_TEST(test_data_of_another_size),
		TSK_TEST(test_inputs_without_names),
		TSK_TEST(test_inputs_that_long_names_are_made_for),
		TSK_TEST(test_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
