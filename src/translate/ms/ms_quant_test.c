/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/ms_quant.h"

#include "base/testing.h"
#include "translate/ms/ms_quant_testing.h"

static struct onnx_graph graph;
static struct testing_tensor t;
static struct tensock_error error;

static int setup(void **state)
{
	onnx_graph_init(&graph, 1 << 20);
	error = (struct tensock_error){ 0 };
	return tsk_test_setup(state);
}

static int teardown(void **state)
{
	onnx_graph_done(&graph);
	return tsk_test_teardown(state);
}

static struct ms_quant_param param_of(double scale, int32_t zero_point)
{
	return (struct ms_quant_param){
		.scale = scale,
		.zero_point = zero_point,
		.n_bits = 8,
		.is_set = true,
		.variance_factor = 1,
	};
}

static struct ms_quant_param corrected(double scale, float variance_factor, float mean_offset)
{
	struct ms_quant_param param = param_of(scale, 0);

	param.variance_factor = variance_factor;
	param.mean_offset = mean_offset;
	return param;
}

/* A [2, 3] of INT8. */
static void make(const struct ms_quant_param *params, uint32_t n)
{
	static const int64_t dims[] = { 2, 3 };
	static const int8_t data[] = { -128, -1, 0, 1, 2, 127 };

	testing_tensor(&t, &graph, &error, TENSOCK_INT8, dims, 2, data, sizeof(data), params, n);
}

/* As input i of the node, which knows of no second one: that is the same. */
static struct onnx_value *weight_as(unsigned i)
{
	static const int64_t dims[] = { 2, 3 };

	return ms_quant_weight(&t.op, i,
			       onnx_constant(&graph, TENSOCK_INT8, dims, 2, t.tensor.data.bytes,
					     6));
}

static struct onnx_value *weight(void)
{
	return weight_as(0);
}

/* The node that made x is of that kind, and its second input holds these; gives its first input. */
static struct onnx_value *made_by(const struct onnx_value *x, const char *op, const double *numbers,
				  int n)
{
	double v[4];

	assert_non_null(x->maker);
	assert_string_equal(x->maker->op, op);
	assert_int_equal(onnx_constant_read_floats(x->maker->inputs->next->value, v, 4), n);
	for (int i = 0; i < n; i++)
		assert_float_equal(v[i], numbers[i], 1e-7);
	return x->maker->inputs->value;
}

static void test_parameters_are_read(void **state)
{
	const struct ms_quant_param params[] = {
		{ .scale = 0.5, .zero_point = -7, .n_bits = 4, .is_set = true },
		{ .scale = 2, .variance_factor = 3, .mean_offset = -1 },
	};
	struct ms_quant_param p;

	(void)state;
	make(params, 2);
	p = ms_quant_param(&t.tensor, 0);
	assert_float_equal(p.scale, 0.5, 0);
	assert_int_equal(p.zero_point, -7);
	assert_int_equal(p.n_bits, 4);
	assert_true(p.is_set);
	p = ms_quant_param(&t.tensor, 1);
	assert_false(p.is_set);
	assert_float_equal(p.variance_factor, 3, 0);
	assert_float_equal(p.mean_offset, -1, 0);
	assert_false(t.file.flatbuffer.bad);
}

static void test_kinds_of_tensors(void **state)
{
	const struct ms_quant_param set = param_of(1, 0), not_set = { .n_bits = 8 },
				    packed = { .n_bits = 7, .is_set = true };

	(void)state;
	make(&set, 1);
	assert_true(ms_quant_is_weight(&t.tensor));
	assert_false(ms_quant_is_activation(&t.tensor));
	assert_false(ms_quant_is_packed(&t.tensor));
	t.tensor.dtype = TENSOCK_INT32; /* a bias */
	assert_true(ms_quant_is_weight(&t.tensor));
	t.tensor.dtype = TENSOCK_FLOAT32;
	assert_false(ms_quant_is_weight(&t.tensor));
	t.tensor.dtype = TENSOCK_INT8;
	t.tensor.data.n = 0;
	assert_false(ms_quant_is_weight(&t.tensor));
	assert_true(ms_quant_is_activation(&t.tensor));
	make(&not_set, 1);
	assert_false(ms_quant_is_weight(&t.tensor));
	t.tensor.data.n = 0;
	assert_false(ms_quant_is_activation(&t.tensor));
	make(&packed, 1);
	assert_true(ms_quant_is_packed(&t.tensor));
}

static void test_per_tensor(void **state)
{
	/* Corrections are those of channels. */
	const struct ms_quant_param param = {
		.scale = 0.25,
		.zero_point = 3,
		.n_bits = 8,
		.is_set = true,
		.variance_factor = 2,
		.mean_offset = 1,
	};
	static const double zero[] = { 3 }, scale[] = { 0.25 };
	struct onnx_value *x;

	(void)state;
	make(&param, 1);
	x = weight();
	assert_int_equal(x->dtype, TENSOCK_FLOAT32);
	assert_int_equal(x->dims[1], 3);
	x = made_by(x, "Mul", scale, 1);
	x = made_by(x, "Sub", zero, 1);
	assert_string_equal(x->maker->op, "Cast");
}

static void test_per_channel(void **state)
{
	const struct ms_quant_param params[] = {
		param_of(0.5, 0),
		corrected(0.25, 2, 0.125F),
	};
	static const double scales[] = { 0.5, 0.5 }, means[] = { 0, 0.125 };
	const struct onnx_value *numbers;
	struct onnx_value *x;

	(void)state;
	make(params, 2);
	x = weight();
	numbers = x->maker->inputs->next->value;
	assert_int_equal(numbers->rank, 2); /* along axis 0 */
	assert_int_equal(numbers->dims[0], 2);
	assert_int_equal(numbers->dims[1], 1);
	x = made_by(x, "Add", means, 2);
	x = made_by(x, "Mul", scales, 2);
	assert_string_equal(x->maker->op, "Cast"); /* all zero points are 0 */
}

static void test_variance_beyond_reason_is_none(void **state)
{
	const struct ms_quant_param params[] = {
		corrected(0.5, 11, 0),
		corrected(0.5, -1, 0),
	};
	static const double scales[] = { 0.5, 0.5 };

	(void)state;
	make(params, 2);
	made_by(weight(), "Mul", scales, 2);
}

static void test_channels_that_are_not_there(void **state)
{
	const struct ms_quant_param params[] = { param_of(1, 0), param_of(1, 0), param_of(1, 0) };

	(void)state;
	make(params, 3); /* of axis 0, which has 2 */
	assert_null(weight());
	assert_int_equal(error.status, TENSOCK_INVALID_MODEL);
	assert_non_null(strstr(error.message, "3 channels"));
}

/* Rows of the first factor and columns of the second, until 1.6 as from then on. */
static void test_axis_of_a_product(void **state)
{
	const struct ms_quant_param params[] = { param_of(1, 0), param_of(2, 0), param_of(3, 0) };
	static const double scales[] = { 1, 2, 3 };
	static const struct onnx_text versions[] = { ONNX_TEXT("MindSpore Lite 1.5.0"),
						     ONNX_TEXT("MindSpore Lite 1.10.2") };

	(void)state;
	for (int i = 0; i < 2; i++) {
		make(params, 2);
		t.op.name = "MatMulFusion";
		t.file.version = versions[i];
		made_by(weight_as(0), "Mul", scales, 2);
		make(params, 3);
		t.op.name = "MatMulFusion";
		t.file.version = versions[i];
		made_by(weight_as(1), "Mul", scales, 3);
	}
}

/* A transposed convolution's weight: its first axis, from 1.8 on the last. */
static void test_axis_by_version(void **state)
{
	const struct ms_quant_param last[] = { param_of(1, 0), param_of(2, 0), param_of(3, 0) };
	static const double scales[] = { 1, 2, 3 };
	static const struct onnx_text versions[] = { ONNX_TEXT("MindSpore Lite 1.7.0"),
						     ONNX_TEXT("1.8.0"),
						     ONNX_TEXT("MindSpore Lite 1.8.0") };

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct onnx_value *x;

		make(last, 3);
		t.op.name = "Conv2dTransposeFusion";
		t.file.version = versions[i];
		x = weight();
		assert_int_equal(x != NULL, i == 2);
		if (x)
			made_by(x, "Mul", scales, 3);
	}
}

static int check(uint32_t dtype, const struct ms_quant_param *param, uint32_t n)
{
	const struct ms_quant_param params[] = { *param, *param };

	make(params, n);
	t.tensor.data.n = 0;
	t.tensor.dtype = dtype;
	t.tensor.is_made = true;
	return ms_quant_check(&t.file, &error);
}

static void test_activations_are_checked(void **state)
{
	const struct ms_quant_param good = param_of(0.1, -128), above = param_of(0.1, 128),
				    none = param_of(0, 0), endless = param_of(1e300, 0);

	(void)state;
	assert_int_equal(check(TENSOCK_INT8, &good, 1), 0);
	assert_true(check(TENSOCK_INT8, &above, 1) < 0);
	assert_int_equal(check(TENSOCK_UINT8, &above, 1), 0);
	assert_true(check(TENSOCK_UINT8, &good, 1) < 0);
	assert_true(check(TENSOCK_INT8, &none, 1) < 0);
	assert_true(check(TENSOCK_INT8, &endless, 1) < 0);
	assert_int_equal(error.status, TENSOCK_INVALID_MODEL);
	assert_true(check(TENSOCK_INT8, &good, 2) < 0);
	assert_int_equal(error.status, TENSOCK_UNSUPPORTED);
	assert_true(check(TENSOCK_INT16, &good, 1) < 0);
	t.tensor.is_made = false; /* nobody looks at it */
	assert_int_equal(ms_quant_check(&t.file, &error), 0);
}

static void test_there_and_back(void **state)
{
	const struct ms_quant_param param = param_of(0.25, 3);
	static const int64_t dims[] = { 2, 3 };
	static const double scale[] = { 0.25 }, zero[] = { 3 }, lowest[] = { -131 };
	struct onnx_value *x, *y;

	(void)state;
	make(&param, 1);
	x = onnx_input(&graph, ONNX_TEXT("x"), TENSOCK_FLOAT32, dims, 2);
	assert_ptr_equal(ms_quant_to(&graph, &t.tensor, x), x); /* a constant: no activation */
	t.tensor.data.n = 0;
	x = ms_quant_to(&graph, &t.tensor, x);
	assert_int_equal(x->dtype, TENSOCK_INT8);
	assert_string_equal(x->maker->op, "Cast");
	y = made_by(x->maker->inputs->value, "Add", zero, 1);
	y = made_by(y, "Clip", lowest, 1);
	assert_string_equal(y->maker->op, "Round");
	made_by(y->maker->inputs->value, "Div", scale, 1);
	x = ms_quant_from(&graph, &t.tensor, x);
	assert_int_equal(x->dtype, TENSOCK_FLOAT32);
	assert_int_equal(x->dims[1], 3);
	y = made_by(x, "Mul", scale, 1);
	made_by(y, "Sub", zero, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_parameters_are_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kinds_of_tensors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_per_tensor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_per_channel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_variance_beyond_reason_is_none, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_channels_that_are_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_axis_of_a_product, setup, teardown),
		cmocka_unit_test_setup_teardown(test_axis_by_version, setup, teardown),
		cmocka_unit_test_setup_teardown(test_activations_are_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_there_and_back, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
