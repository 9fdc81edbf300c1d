/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/emit.h"

#include <errno.h>
#include <string.h>

#include "translate/graph_testing.h"

static struct onnx_value *input(const int64_t *dims, int rank)
{
	return onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_FLOAT32, dims, rank);
}

static void assert_shape(const struct onnx_value *v, const int64_t *dims, int rank)
{
	assert_int_equal(v->rank, rank);
	for (int i = 0; i < rank; i++)
		assert_int_equal(v->dims[i], dims[i]);
}

static const int64_t nhwc[] = { 1, 8, 6, 3 }, nchw[] = { 1, 3, 8, 6 };
static const int64_t to_nchw[] = { 0, 3, 1, 2 }, to_nhwc[] = { 0, 2, 3, 1 };

static void test_transposes_cancel(void **state)
{
	struct onnx_value *x = input(nhwc, 4), *t, *u;
	static const int64_t swap[] = { 0, 1, 3, 2 };

	(void)state;
	t = emit_transpose(&graph, x, to_nchw, 4);
	assert_shape(t, nchw, 4);
	assert_ptr_equal(emit_transpose(&graph, t, to_nhwc, 4), x);
	assert_int_equal(graph.n_nodes, 1);
	u = emit_transpose(&graph, t, swap, 4); /* one node for both, from x */
	assert_ptr_equal(u->maker->inputs->value, x);
	assert_int_equal(u->maker->attributes->ints[2], 2);
	assert_int_equal(u->maker->attributes->ints[3], 1);
	assert_int_equal(graph.failed, 0);
}

static void test_transposes_that_are_none(void **state)
{
	static const int64_t twice[] = { 0, 0, 1, 2 }, far[] = { 0, 1, 2, 4 };
	struct onnx_value *x = input(nhwc, 4);

	(void)state;
	assert_non_null(emit_transpose(&graph, x, twice, 4));
	assert_int_equal(graph.failed, -EINVAL);
	graph.failed = 0;
	assert_non_null(emit_transpose(&graph, x, far, 4));
	assert_int_equal(graph.failed, -EINVAL);
	graph.failed = 0;
	assert_non_null(emit_transpose(&graph, x, to_nchw, 3)); /* another rank */
	assert_int_equal(graph.failed, -EINVAL);
}

static void test_reshape(void **state)
{
	static const int64_t rest[] = { 0, -1 }, expected[] = { 1, 144 },
			     huge[] = { -1, INT64_MAX, 4 };
	struct onnx_value *x = input(nhwc, 4), *y;

	(void)state;
	y = emit_reshape(&graph, x, rest, 2);
	assert_shape(y, expected, 2);
	assert_ptr_equal(emit_reshape(&graph, y, expected, 2), y);
	assert_int_equal(graph.n_nodes, 1);
	y = emit_reshape(&graph, x, huge, 3);
	assert_int_equal(y->dims[0], -1);
	assert_int_equal(graph.failed, 0);
}

static void test_squeeze_and_unsqueeze(void **state)
{
	static const int64_t dims[] = { 1, 5, 1 }, last[] = { -1 }, both[] = { 0, -1 },
			     bad[] = { 3 };
	static const int64_t a[] = { 1, 5 }, b[] = { 5 }, c[] = { 1, 5, 1 };
	struct onnx_value *x = input(dims, 3);

	(void)state;
	assert_shape(emit_squeeze(&graph, x, last, 1), a, 2);
	assert_shape(emit_squeeze(&graph, x, NULL, 0), b, 1);
	assert_shape(emit_unsqueeze(&graph, emit_squeeze(&graph, x, NULL, 0), both, 2), c, 3);
	assert_int_equal(graph.failed, 0);
	assert_non_null(emit_squeeze(&graph, x, bad, 1));
	assert_int_equal(graph.failed, -EINVAL);
}

static void test_shapes_of_binary_reduce_concat(void **state)
{
	static const int64_t channel[] = { 3 }, axes[] = { 1, -2 }, kept[] = { 1, 1, 1, 3 },
			     gone[] = { 1, 3 }, two[] = { 1, 8, 6, 6 };
	struct onnx_value *x = input(nhwc, 4), *c = input(channel, 1);
	struct onnx_value *pair[] = { x, x };

	(void)state;
	assert_shape(emit_binary(&graph, "Add", c, x, x->dtype), nhwc, 4);
	assert_shape(emit_reduce(&graph, "ReduceMean", x, axes, 2, true), kept, 4);
	assert_shape(emit_reduce(&graph, "ReduceMean", x, axes, 2, false), gone, 2);
	assert_shape(emit_reduce(&graph, "ReduceMean", x, NULL, 0, false), NULL, 0);
	assert_shape(emit_concat(&graph, pair, 2, -1), two, 4);
}

static void test_matmul(void **state)
{
	static const int64_t a[] = { 7, 2, 5 }, b[] = { 4, 5 }, expected[] = { 7, 2, 4 };
	struct onnx_value *v = emit_matmul(&graph, input(a, 3), input(b, 2), false, true);

	(void)state;
	assert_shape(v, expected, 3);
	assert_int_equal(graph.n_nodes, 2);
}

static struct window window(int64_t kernel, int64_t stride, int64_t pad)
{
	struct window w = { .n = 2, .group = 1 };

	for (int i = 0; i < 2; i++) {
		w.kernel[i] = kernel;
		w.strides[i] = stride;
		w.dilations[i] = 1;
		w.pads_begin[i] = w.pads_end[i] = pad;
	}
	return w;
}

static void test_windows(void **state)
{
	static const int64_t weight[] = { 16, 3, 3, 3 }, out[] = { 1, 16, 4, 3 },
			     pooled[] = { 1, 3, 4, 3 };
	static const int64_t back[] = { 3, 5, 2, 2 }, larger[] = { 1, 5, 16, 12 };
	struct onnx_value *x = input(nchw, 4), *w = input(weight, 4), *t = input(back, 4);
	struct window conv = window(3, 2, 1), pool = window(2, 2, 0), wild = window(3, 2, 1);

	(void)state;
	assert_shape(emit_conv(&graph, x, w, NULL, &conv), out, 4);
	assert_shape(emit_pool(&graph, "MaxPool", x, &pool), pooled, 4);
	assert_shape(emit_conv_transpose(&graph, x, t, NULL, &pool), larger, 4);
	wild.kernel[0] = INT64_MIN;
	wild.pads_end[1] = INT64_MAX;
	assert_int_equal(emit_conv(&graph, x, w, NULL, &wild)->dims[2], -1);
	assert_int_equal(emit_conv_transpose(&graph, x, t, NULL, &wild)->dims[3], -1);
	assert_int_equal(graph.failed, 0);
}

static int64_t attribute(const struct onnx_value *value, const char *name)
{
	for (const struct onnx_attribute *a = value->maker->attributes; a; a = a->next) {
		if (strcmp(a->name, name) == 0)
			return a->i;
	}
	return 0;
}

static void test_attributes_of_pools(void **state)
{
	struct onnx_value *x = input(nchw, 4), *ret;
	struct window pool = window(2, 2, 0);

	(void)state;
	ret = emit_pool(&graph, "AveragePool", x, &pool);
	assert_int_equal(attribute(ret, "ceil_mode"), 0);
	assert_int_equal(attribute(ret, "count_include_pad"), 0);
	pool.ceil_mode = pool.count_include_pad = true;
	ret = emit_pool(&graph, "AveragePool", x, &pool);
	assert_int_equal(attribute(ret, "ceil_mode"), 1);
	assert_int_equal(attribute(ret, "count_include_pad"), 1);
}

static void test_activations(void **state)
{
	struct onnx_value *x = input(nchw, 4);

	(void)state;
	assert_ptr_equal(emit_activation(&graph, x, ACTIVATION_NONE, NULL), x);
	for (unsigned kind = 1; kind < ACTIVATION_MAX; kind++) {
		if (kind != ACTIVATION_LINEAR)
			assert_shape(emit_activation(&graph, x, kind, NULL), nchw, 4);
	}
	assert_null(emit_activation(&graph, x, ACTIVATION_LINEAR, NULL));
	assert_null(emit_activation(&graph, x, ACTIVATION_MAX, NULL));
	assert_null(emit_activation(&graph, x, UINT32_MAX, NULL));
}

/* The runtime would merge the two otherwise: emit_window.c. */
static void test_a_pad_before_a_pool_names_its_axes(void **state)
{
	static const int64_t dims[] = { 1, 3, 8, 6 }, none[8] = { 0 };
	struct onnx_value *x = onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_FLOAT32, dims, 4);
	struct onnx_value *padded = ONNX_CALL(&graph, "Pad", x, onnx_int64s(&graph, none, 8));
	struct window pool = window(2, 2, 0), conv = window(3, 1, 1);
	int64_t axes[4];

	(void)state;
	onnx_value_like(padded, x);
	emit_conv(&graph, padded, onnx_input(&graph, ONNX_TEXT("w"), TENSOCK_FLOAT32, NULL, 4),
		  NULL, &conv);
	assert_int_equal(padded->maker->n_inputs, 2);
	emit_pool(&graph, "MaxPool", padded, &pool);
	emit_pool(&graph, "MaxPool", padded, &pool);
	assert_int_equal(padded->maker->n_inputs, 4);
	assert_int_equal(onnx_constant_read_ints(padded->maker->last_input->value, axes, 4), 4);
	assert_int_equal(axes[3], 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GRAPH_TEST(test_transposes_cancel),
		GRAPH_TEST(test_transposes_that_are_none),
		GRAPH_TEST(test_reshape),
		GRAPH_TEST(test_squeeze_and_unsqueeze),
		GRAPH_TEST(test_shapes_of_binary_reduce_concat),
		GRAPH_TEST(test_matmul),
		GRAPH_TEST(test_windows),
		GRAPH_TEST(test_a_pad_before_a_pool_names_its_axes),
		GRAPH_TEST(test_attributes_of_pools),
		GRAPH_TEST(test_activations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
