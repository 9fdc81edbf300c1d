/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/mindir/mindir.h"

#include "base/testing.h"
#include "translate/constant.h"
#include "translate/mindir/mindir_testing.h"
#include "translate/onnx_file.h"

static struct build b;
static struct onnx_graph graph;
static struct tensock_error error;

static int setup(void **state)
{
	graph = (struct onnx_graph){ 0 };
	return tsk_test_setup(state);
}

static int teardown(void **state)
{
	onnx_graph_done(&graph);
	return tsk_test_teardown(state);
}

/* The status of translating and writing; the graph stays to be looked at. */
static uint32_t translate_bytes(const void *bytes, size_t n)
{
	unsigned char *onnx = NULL;
	size_t n_onnx = 0;
	int r;

	error = (struct tensock_error){ 0 };
	onnx_graph_done(&graph);
	onnx_graph_init(&graph, 64 << 20);
	r = mindir_translate(bytes, n, &graph, &error);
	if (r == 0)
		r = onnx_file_write(&graph, 64 << 20, &onnx, &n_onnx, &error);
	free(onnx);
	assert_int_equal(r < 0, error.status != TENSOCK_OK);
	return error.status;
}

static uint32_t translate_model(void)
{
	build_end(&b);
	assert_true(mindir_probe(b.model.bytes, b.model.n));
	return translate_bytes(b.model.bytes, b.model.n);
}

static void assert_name(const struct onnx_port *port, const char *name)
{
	assert_non_null(port);
	assert_int_equal(port->value->name.len, strlen(name));
	assert_memory_equal(port->value->name.bytes, name, strlen(name));
}

static void assert_refused(uint32_t status, const char *words)
{
	assert_int_equal(translate_model(), status);
	if (!strstr(error.message, words))
		fail_msg("\"%s\" does not say \"%s\"", error.message, words);
}

static const int64_t six[] = { 2, 3 };

static void begin(void)
{
	build_begin(&b);
	build_input(&b, "g:x", six, 2);
}

static void test_one_node(void **state)
{
	(void)state;
	begin();
	build_node(&b, "ReLU", "g:y", "g:x", NULL);
	build_output(&b, "g:y");
	assert_int_equal(translate_model(), TENSOCK_OK);
	assert_int_equal(graph.n_nodes, 1);
	assert_string_equal(graph.nodes->op, "Relu");
	assert_name(graph.inputs, "x");
	assert_name(graph.outputs, "y");
	assert_int_equal(graph.outputs->value->dims[1], 3);
}

/* MindSpore 1.5: no primitives, settings by the text in ref_attr_name. */
static void test_old_dialect(void **state)
{
	(void)state;
	begin();
	b.attribute.n = 0;
	build_tensor(&b.tensor, "shape1", BUILD_FLOAT32, six, 2, NULL, 0);
	put_message(&b.attribute, 12, &b.tensor);
	put_text(&b.attribute, 15, "shape:shape1,");
	b.inner.n = 0;
	put_text(&b.inner, 1, "g:x");
	put_text(&b.inner, 2, "g:103:1");
	put_text(&b.inner, 4, "ReLU");
	put_message(&b.inner, 5, &b.attribute);
	put_message(&b.graph, 1, &b.inner);
	build_output(&b, "g:103:1");
	assert_int_equal(translate_model(), TENSOCK_OK);
	assert_string_equal(graph.nodes->op, "Relu");
	assert_name(graph.outputs, "103:1");
}

/* Weights come through Load, results through Depend; neither leaves a node. */
static void test_effects(void **state)
{
	static const int64_t three[] = { 3 };
	static const float w[] = { 1, 2, 3 };

	(void)state;
	begin();
	build_parameter(&b, "g:w", three, 1, w, 3);
	b.attribute.n = 0;
	put_number(&b.attribute, 16, 23);
	build_constant(&b, "g:u");
	build_node(&b, "Load", "g:1", "g:w", "g:u", NULL);
	build_node(&b, "Mul", "g:2", "g:x", "g:1", NULL);
	build_node(&b, "MakeTuple", "g:3", "g:1", NULL);
	build_node(&b, "UpdateState", "g:4", "g:u", "g:3", NULL);
	build_node(&b, "Depend", "g:5", "g:2", "g:4", NULL);
	build_output(&b, "g:5");
	assert_int_equal(translate_model(), TENSOCK_OK);
	assert_int_equal(graph.n_nodes, 1);
	assert_non_null(graph.nodes->last_input->value->constant);
	assert_name(graph.outputs, "5");
}

/* Several outputs have the names of what is in the tuple, and no name twice. */
static void test_names_of_outputs(void **state)
{
	static const char *const inner[] = { "MakeTuple", "make_list", "MakeList" };

	for (size_t i = 0; i < 3; i++) {
		(void)state;
		begin();
		build_node(&b, "ReLU", "g:a", "g:x", NULL);
		build_node(&b, "Tanh", "g:b", "g:x", NULL);
		build_node(&b, inner[i], "g:in", "g:b", "g:x", NULL);
		build_node(&b, "MakeTuple", "g:t", "g:a", "g:in", "g:a", NULL);
		build_output(&b, "g:t");
		assert_int_equal(translate_model(), TENSOCK_OK);
		assert_int_equal(graph.n_outputs, 4);
		assert_name(graph.outputs, "a");
		assert_name(graph.outputs->next, "b");
		assert_name(graph.outputs->next->next, "x_2");
		assert_name(graph.outputs->next->next->next, "a_3");
	}
}

static void test_items_as_outputs(void **state)
{
	(void)state;
	begin();
	build_int(&b, "g:axis", 1);
	build_int(&b, "g:n", 3);
	build_node(&b, "Split", "g:s", "g:x", "g:axis", "g:n", NULL);
	build_output(&b, "g:s");
	assert_int_equal(translate_model(), TENSOCK_OK);
	assert_int_equal(graph.n_outputs, 3);
	assert_name(graph.outputs, "s_0");
	assert_int_equal(graph.outputs->value->dims[1], 1);
}

/* Who reads y after it was added to reads the sum, whatever name he has for it. */
static void test_in_place(void **state)
{
	const struct onnx_node *last;

	(void)state;
	begin();
	build_node(&b, "ReLU", "g:y", "g:x", NULL);
	build_int(&b, "g:1", 1);
	build_node(&b, "InplaceAddExt", "g:z", "g:y", "g:x", "g:1", NULL);
	build_node(&b, "InplaceMul", "g:w", "g:z", "g:x", NULL);
	build_node(&b, "Tanh", "g:t", "g:y", NULL);
	build_output(&b, "g:t");
	assert_int_equal(translate_model(), TENSOCK_OK);
	last = graph.last_node;
	assert_string_equal(last->op, "Tanh");
	assert_string_equal(last->inputs->value->maker->op, "Mul");
}

static void test_state_is_refused(void **state)
{
	static const float w[6] = { 0 };

	(void)state;
	begin();
	build_parameter(&b, "g:w", six, 2, w, 6);
	build_node(&b, "InplaceMul", "g:z", "g:w", "g:x", NULL);
	build_output(&b, "g:z");
	assert_refused(TENSOCK_UNSUPPORTED, "changes a weight");
}

static void test_unknown_operator(void **state)
{
	(void)state;
	begin();
	build_node(&b, "Digamma", "g:y", "g:x", NULL);
	build_output(&b, "g:y");
	assert_refused(TENSOCK_UNSUPPORTED, "operator Digamma (node 'g:y')");
}

/* A bias goes into the product, unless that is read without it, before or after. */
static void test_bias(void **state)
{
	static const int64_t square[] = { 3, 3 }, three[] = { 3 };
	static const float w[9] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

	for (int others = 0; others < 3; others++) {
		(void)state;
		begin();
		build_parameter(&b, "g:w", square, 2, w, 9);
		build_parameter(&b, "g:b", three, 1, w, 3);
		build_int(&b, "g:0", 0);
		build_int(&b, "g:1", 1);
		build_node(&b, "MatMul", "g:m", "g:x", "g:w", "g:0", "g:1", NULL);
		if (others == 1)
			build_node(&b, "ReLU", "g:r", "g:m", NULL);
		build_node(&b, "BiasAdd", "g:y", "g:m", "g:b", "g:0", NULL);
		if (others == 2)
			build_node(&b, "ReLU", "g:r", "g:m", NULL);
		build_output(&b, "g:y");
		if (others)
			build_output(&b, "g:r");
		assert_int_equal(translate_model(), TENSOCK_OK);
		assert_string_equal(graph.nodes->op, "Gemm");
		assert_int_equal(graph.nodes->n_inputs, others ? 2 : 3);
		assert_int_equal(graph.n_nodes, others ? 3 : 1);
	}
}

static void test_training_mode(void **state)
{
	static const int64_t three[] = { 3 };
	static const float w[3] = { 1, 1, 1 };

	for (int training = 0; training < 2; training++) {
		(void)state;
		begin();
		build_parameter(&b, "g:w", three, 1, w, 3);
		build_int(&b, "g:t", training);
		build_node(&b, "BatchNorm", "g:n", "g:x", "g:w", "g:w", "g:w", "g:w", "g:t", NULL);
		build_int(&b, "g:0", 0);
		build_node(&b, "TupleGetItem", "g:y", "g:n", "g:0", NULL);
		build_output(&b, "g:y");
		if (training)
			assert_refused(TENSOCK_UNSUPPORTED, "training mode");
		else
			assert_int_equal(translate_model(), TENSOCK_OK);
	}
}

static void test_references(void **state)
{
	(void)state;
	begin();
	build_node(&b, "ReLU", "g:y", "g:z", NULL); /* z comes later */
	build_node(&b, "ReLU", "g:z", "g:x", NULL);
	build_output(&b, "g:z");
	assert_refused(TENSOCK_INVALID_MODEL, "'g:z' is not given by anything before it");
	begin();
	build_node(&b, "ReLU", "g:y", "g:y", NULL); /* of itself */
	build_output(&b, "g:y");
	assert_refused(TENSOCK_INVALID_MODEL, "not given");
	begin();
	build_output(&b, "g:nobody");
	assert_refused(TENSOCK_INVALID_MODEL, "'g:nobody' is not given");
	begin();
	assert_refused(TENSOCK_INVALID_MODEL, "no outputs");
	begin();
	build_node(&b, "ReLU", "g:x", "g:x", NULL);
	build_output(&b, "g:x");
	assert_refused(TENSOCK_INVALID_MODEL, "two things");
}

static void test_too_few_inputs(void **state)
{
	(void)state;
	begin();
	build_node(&b, "Add", "g:y", "g:x", NULL);
	build_output(&b, "g:y");
	assert_refused(TENSOCK_INVALID_MODEL, "Add (node 'g:y'): it has 1 inputs");
}

static void test_axis_beyond(void **state)
{
	static const int64_t axes[] = { 2 }, far[] = { INT64_MIN };

	(void)state;
	begin();
	build_ints(&b, "g:a", axes, 1);
	build_node(&b, "ReduceMean", "g:y", "g:x", "g:a", NULL);
	build_output(&b, "g:y");
	assert_refused(TENSOCK_INVALID_MODEL, "is 2, of a tensor of 2 dimensions");
	begin();
	build_ints(&b, "g:a", far, 1);
	build_node(&b, "ReduceMean", "g:y", "g:x", "g:a", NULL);
	build_output(&b, "g:y");
	assert_refused(TENSOCK_INVALID_MODEL, "of a tensor of 2 dimensions");
}

/* Tuples of tuples that would be endless to walk: by depth, and by doubling. */
static void test_tuple_bombs(void **state)
{
	char from[16] = "g:x", to[16];

	(void)state;
	begin();
	for (int i = 0; i < 40; i++) {
		snprintf(to, sizeof(to), "g:t%d", i);
		build_node(&b, "MakeTuple", to, from, NULL);
		memcpy(from, to, sizeof(from));
	}
	build_output(&b, from);
	assert_refused(TENSOCK_UNSUPPORTED, "nested too deep");
	begin();
	build_node(&b, "MakeTuple", "g:1", "g:x", "g:x", "g:x", "g:x", "g:x", "g:x", "g:x", "g:x",
		   "g:x", NULL);
	build_node(&b, "MakeTuple", "g:2", "g:1", "g:1", "g:1", "g:1", "g:1", "g:1", "g:1", "g:1",
		   "g:1", NULL);
	build_node(&b, "MakeTuple", "g:3", "g:2", "g:2", "g:2", "g:2", "g:2", "g:2", "g:2", "g:2",
		   "g:2", NULL);
	build_node(&b, "MakeTuple", "g:4", "g:3", "g:3", "g:3", "g:3", "g:3", "g:3", "g:3", "g:3",
		   "g:3", NULL);
	build_node(&b, "MakeTuple", "g:5", "g:4", "g:4", "g:4", "g:4", "g:4", "g:4", "g:4", "g:4",
		   "g:4", NULL);
	build_output(&b, "g:5");
	assert_refused(TENSOCK_UNSUPPORTED, "hold too much");
}

/* A node that reads the same thing many times. */
static void build_many(const char *output, const char *input, unsigned n)
{
	b.inner.n = 0;
	for (unsigned i = 0; i < n; i++)
		put_text(&b.inner, 1, input);
	put_text(&b.inner, 2, output);
	put_text(&b.inner, 4, "MakeTuple");
	put_message(&b.graph, 1, &b.inner);
}

/* Tuples weigh nothing that hold nothing but an order of effects: as outputs they are walked all the same. */
static void test_endless_outputs(void **state)
{
	(void)state;
	begin();
	build_node(&b, "UpdateState", "g:m", "g:x", NULL);
	build_many("g:a", "g:m", 1000);
	build_many("g:b", "g:a", 1000);
	build_node(&b, "ReLU", "g:y", "g:x", NULL);
	for (int i = 0; i < 3; i++)
		build_output(&b, "g:b");
	build_output(&b, "g:y");
	assert_refused(TENSOCK_TOO_LARGE, "hold too much");
}

/* So are the items of a tuple that an operator gives, each under a name that is made for it. */
static void test_endless_items(void **state)
{
	(void)state;
	begin();
	build_node(&b, "MakeTuple", "g:e", NULL);
	build_many("g:a", "g:e", 1000);
	build_node(&b, "Identity", "g:i", "g:a", NULL);
	build_node(&b, "ReLU", "g:y", "g:x", NULL);
	for (int i = 0; i < 10; i++)
		build_output(&b, "g:i");
	build_output(&b, "g:y");
	assert_refused(TENSOCK_TOO_LARGE, "hold too much");
}

/* Names that are taken get numbers, until memory ends, wherever it does. */
static void test_many_outputs_of_one_name(void **state)
{
	char name[960] = "g:";
	unsigned n_cut = 0;

	(void)state;
	memset(name + 2, 'n', sizeof(name) - 3);
	for (int n_others = 0; n_others < 160; n_others += 4) {
		begin();
		for (int i = 0; i < n_others; i++)
			build_node(&b, "ReLU", (char[]){ 'a', (char)(i + 32), '\0' }, "g:x", NULL);
		build_node(&b, "ReLU", name, "g:x", NULL);
		build_many("g:a", name, 20);
		build_output(&b, "g:a");
		build_end(&b);
		onnx_graph_done(&graph);
		onnx_graph_init(&graph, 140000);
		if (mindir_translate(b.model.bytes, b.model.n, &graph, &error) == 0 &&
		    !graph.failed)
			assert_int_equal(graph.n_outputs, 20);
		n_cut += graph.failed && graph.n_outputs > 1;
	}
	assert_true(n_cut > 0);
}

/* Beyond 2^53 no double has every number. */
static void test_a_large_number(void **state)
{
	const struct onnx_value *last = NULL;
	int64_t v;

	(void)state;
	begin();
	build_int(&b, "g:n", INT64_C(9007199254740993));
	build_node(&b, "ScalarToTensor", "g:t", "g:n", NULL);
	build_output(&b, "g:t");
	assert_int_equal(translate_model(), TENSOCK_OK);
	for (const struct onnx_value *p = graph.values; p; p = p->next)
		last = p->constant ? p : last;
	assert_non_null(last);
	assert_int_equal(onnx_constant_read_ints(last, &v, 1), 1);
	assert_int_equal(v, INT64_C(9007199254740993));
}

static void test_a_long_name(void **state)
{
	char name[1100] = "g:";

	(void)state;
	memset(name + 2, 'n', sizeof(name) - 3);
	begin();
	build_node(&b, "ReLU", name, "g:x", NULL);
	build_output(&b, name);
	assert_refused(TENSOCK_TOO_LARGE, "bytes, above 1024");
}

/* A shape that is asked for is a number where it is known, and computed where it is not. */
static void test_shapes(void **state)
{
	static const int64_t open[] = { -1, 3 };
	const struct onnx_node *last;

	for (int is_open = 0; is_open < 2; is_open++) {
		(void)state;
		build_begin(&b);
		build_input(&b, "g:x", is_open ? open : six, 2);
		build_node(&b, "Shape", "g:s", "g:x", NULL);
		build_int(&b, "g:0", 0);
		build_int(&b, "g:1", 1);
		build_node(&b, "TupleGetItem", "g:n", "g:s", "g:0", NULL);
		build_node(&b, "TupleGetItem", "g:c", "g:s", "g:1", NULL);
		build_node(&b, "ScalarMul", "g:nc", "g:n", "g:c", NULL);
		build_node(&b, "MakeTuple", "g:t", "g:nc", "g:1", NULL);
		build_node(&b, "Reshape", "g:y", "g:x", "g:t", NULL);
		build_output(&b, "g:y");
		assert_int_equal(translate_model(), TENSOCK_OK);
		last = graph.last_node;
		assert_string_equal(last->op, "Reshape");
		if (is_open)
			assert_string_equal(last->inputs->next->value->maker->op, "Concat");
		else
			assert_int_equal(graph.outputs->value->dims[0], 6);
	}
}

/* The part of one element that begins at the largest number: behind it there is no end. */
static void test_slice_of_one(void **state)
{
	static const int64_t begins[] = { 1, -1, INT64_MAX },
			     wanted[] = { 2, INT64_MAX, INT64_MAX };
	int64_t end;

	for (size_t i = 0; i < 3; i++) {
		(void)state;
		begin();
		build_ints(&b, "g:begin", &begins[i], 1);
		build_int(&b, "g:0", 0);
		build_int(&b, "g:1", 1);
		build_ints(&b, "g:step", (const int64_t[]){ 1 }, 1);
		build_node(&b, "StridedSlice", "g:y", "g:x", "g:begin", "g:step", "g:step", "g:0",
			   "g:0", "g:0", "g:0", "g:1", NULL);
		build_output(&b, "g:y");
		assert_int_equal(translate_model(), TENSOCK_OK);
		assert_string_equal(graph.nodes->op, "Slice");
		assert_int_equal(onnx_constant_read_ints(graph.nodes->inputs->next->next->value,
							 &end, 1),
				 1);
		assert_int_equal(end, wanted[i]);
	}
}

/* What is left cannot be said of a size that is not known, or too small. */
static void test_split_what_is_left(void **state)
{
	static const int64_t dims[][2] = { { 2, 6 }, { 2, -1 }, { 2, 3 } }, sizes[] = { 4, -1 };

	for (size_t i = 0; i < 3; i++) {
		(void)state;
		build_begin(&b);
		build_input(&b, "g:x", dims[i], 2);
		build_ints(&b, "g:sizes", sizes, 2);
		build_int(&b, "g:1", 1);
		build_node(&b, "SplitWithSize", "g:s", "g:x", "g:sizes", "g:1", NULL);
		build_output(&b, "g:s");
		if (i) {
			assert_refused(TENSOCK_UNSUPPORTED, "4 are known parts");
			continue;
		}
		assert_int_equal(translate_model(), TENSOCK_OK);
		assert_int_equal(graph.outputs->next->value->dims[1], 2);
	}
}

/* Of a convolution with pad_mode valid, the list that goes with other modes means nothing. */
static void test_padding_out_of_bounds(void **state)
{
	static const int64_t dims[] = { 1, 1, 4, 4 }, weight[] = { 1, 1, 1, 1 };
	static const float one[] = { 1 };
	const struct onnx_attribute *a;

	(void)state;
	build_begin(&b);
	build_input(&b, "g:x", dims, 4);
	build_parameter(&b, "g:w", weight, 4, one, 1);
	b.primitives.n = b.tensor.n = 0;
	put_text(&b.tensor, 1, "p");
	put_text(&b.tensor, 2, "Conv2DTranspose");
	b.attribute.n = 0;
	put_text(&b.attribute, 1, "pad_mode");
	put_number(&b.attribute, 3, 2);
	put_message(&b.tensor, 3, &b.attribute);
	b.attribute.n = 0;
	put_text(&b.attribute, 1, "pad_list");
	for (int i = 0; i < 4; i++)
		put_number(&b.attribute, 10, INT64_MIN);
	put_message(&b.tensor, 3, &b.attribute);
	put_message(&b.primitives, 12, &b.tensor);
	build_ints(&b, "g:size", dims, 4);
	build_node(&b, "REF::p", "g:y", "g:x", "g:w", "g:size", NULL);
	build_output(&b, "g:y");
	assert_int_equal(translate_model(), TENSOCK_OK);
	assert_string_equal(graph.nodes->op, "ConvTranspose");
	for (a = graph.nodes->attributes; a && strcmp(a->name, "pads") != 0;)
		a = a->next;
	assert_non_null(a);
	for (size_t i = 0; i < a->n; i++)
		assert_int_equal(a->ints[i], 0);
}

static void test_truncated_and_tampered(void **state)
{
	(void)state;
	begin();
	build_int(&b, "g:axis", 1);
	build_int(&b, "g:n", 3);
	build_node(&b, "Split", "g:s", "g:x", "g:axis", "g:n", NULL);
	build_node(&b, "TupleGetItem", "g:y", "g:s", "g:axis", NULL);
	build_output(&b, "g:y");
	build_end(&b);
	for (size_t n = 0; n < b.model.n; n++)
		translate_bytes(b.model.bytes, n);
	for (size_t i = 0; i < b.model.n; i++) {
		b.model.bytes[i] ^= 0xff;
		translate_bytes(b.model.bytes, b.model.n);
		b.model.bytes[i] ^= 0xff ^ 0x01;
		translate_bytes(b.model.bytes, b.model.n);
		b.model.bytes[i] ^= 0x01;
	}
	assert_int_equal(translate_bytes(b.model.bytes, b.model.n), TENSOCK_OK);
}

static void test_probe(void **state)
{
	static const unsigned char onnx[] = { 0x08, 0x08, 0x12, 0x00, 0x3a, 0x00 };

	(void)state;
	assert_false(mindir_probe(onnx, sizeof(onnx)));
	assert_false(mindir_probe(NULL, 0));
	assert_true(mindir_probe("\x0a\x03"
				 "1.1\x3a\x00",
				 7));
	/* Cut off, and it is MindIR all the same. */
	assert_true(mindir_probe("\x0a\x03"
				 "1.1\x3a",
				 6));
	assert_false(mindir_probe("\x0a\x03"
				  "1.",
				  4));
	assert_false(mindir_probe("\x0a\x03"
				  "a.1\x3a\x00",
				  7));
	assert_false(mindir_probe("\x0a\x03"
				  "1\x01"
				  "1\x3a\x00",
				  7));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* Of a sample of 8: over 7, where nothing else is said. */
static void test_variance_of_a_sample(void **state)
{
	static const int64_t dims[] = { 2, 8 }, axis[] = { 1 };
	double factor = 0;

	(void)state;
	build_begin(&b);
	build_input(&b, "g:x", dims, 2);
	build_ints(&b, "g:axis", axis, 1);
	b.attribute.n = 0;
	build_primitive(&b, "p", "Var");
	build_node(&b, "REF::p", "g:y", "g:x", "g:axis", NULL);
	build_output(&b, "g:y");
	assert_int_equal(translate_model(), TENSOCK_OK);
	assert_string_equal(graph.last_node->op, "Mul");
	assert_int_equal(onnx_constant_read_floats(graph.last_node->last_input->value, &factor, 1),
			 1);
	assert_float_equal(factor, 8.0 / 7, 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_node),
		TEST(test_old_dialect),
		TEST(test_effects),
		TEST(test_names_of_outputs),
		TEST(test_items_as_outputs),
		TEST(test_in_place),
		TEST(test_state_is_refused),
		TEST(test_unknown_operator),
		TEST(test_bias),
		TEST(test_training_mode),
		TEST(test_references),
		TEST(test_too_few_inputs),
		TEST(test_axis_beyond),
		TEST(test_tuple_bombs),
		TEST(test_endless_outputs),
		TEST(test_endless_items),
		TEST(test_many_outputs_of_one_name),
		TEST(test_a_large_number),
		TEST(test_a_long_name),
		TEST(test_shapes),
		TEST(test_variance_of_a_sample),
		TEST(test_slice_of_one),
		TEST(test_split_what_is_left),
		TEST(test_padding_out_of_bounds),
		TEST(test_truncated_and_tampered),
		TEST(test_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
