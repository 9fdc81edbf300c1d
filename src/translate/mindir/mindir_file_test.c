/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/mindir/mindir_file.h"

#include "base/testing.h"
#include "translate/mindir/mindir_build.h"

static struct build b;
static struct tsk_arena arena;
static struct mindir_file file;
static struct tensock_error error;

static int setup(void **state)
{
	tsk_arena_init(&arena, 64 << 20);
	return tsk_test_setup(state);
}

static int teardown(void **state)
{
	tsk_arena_done(&arena);
	return tsk_test_teardown(state);
}

/* The status; the sentence is in `error`. */
static uint32_t read_bytes(const void *bytes, size_t n)
{
	int r;

	error = (struct tensock_error){ 0 };
	file = (struct mindir_file){ 0 };
	r = mindir_file_read(bytes, n, &arena, &file, &error);
	assert_int_equal(r < 0, error.status != TENSOCK_OK);
	return error.status;
}

static uint32_t read_model(void)
{
	build_end(&b);
	return read_bytes(b.model.bytes, b.model.n);
}

static const int64_t four[] = { 2, 2 };
static const float values[] = { 1, 2, 3, 4 };

/* x, a weight, a Constant and a node of a primitive with one attribute. */
static void small_model(void)
{
	static const int64_t axes[] = { 0, -1 };

	build_begin(&b);
	build_input(&b, "g:x", four, 2);
	build_parameter(&b, "g:w", four, 2, values, 4);
	build_ints(&b, "g:axes", axes, 2);
	b.attribute.n = 0;
	put_text(&b.attribute, 1, "keep_dims");
	put_number(&b.attribute, 16, 9);
	put_number(&b.attribute, 3, 1);
	build_primitive(&b, "R", "ReduceMean");
	build_node(&b, "REF::R", "g:y", "g:x", "g:axes", NULL);
	build_output(&b, "g:y");
}

static void test_small(void **state)
{
	const struct mindir_value *v;

	(void)state;
	small_model();
	assert_int_equal(read_model(), TENSOCK_OK);
	assert_int_equal(file.n_nodes, 2);
	assert_int_equal(file.n_inputs, 1);
	assert_int_equal(file.n_outputs, 1);
	assert_int_equal(file.inputs[0].tensor.dtype, TENSOCK_FLOAT32);
	assert_int_equal(file.inputs[0].tensor.dims[1], 2);
	assert_int_equal(file.parameters[0].n_bytes, 16);
	assert_memory_equal(file.parameters[0].bytes, values, 16);
	v = file.nodes[0].constant;
	assert_int_equal(v->kind, MINDIR_TUPLE);
	assert_int_equal(v->n_items, 2);
	assert_int_equal(v->items[1].kind, MINDIR_INT);
	assert_int_equal(v->items[1].i, -1);
	assert_true(mindir_text_is(file.nodes[1].op, "ReduceMean"));
	v = mindir_attribute(file.nodes[1].settings, "keep_dims");
	assert_int_equal(v->kind, MINDIR_BOOL);
	assert_int_equal(v->i, 1);
	assert_null(mindir_attribute(file.nodes[1].settings, "keep"));
	assert_true(mindir_text_is(mindir_short_name(&file, file.nodes[1].output), "y"));
}

/* Bytes are referred to, not copied. */
static void test_weights_in_place(void **state)
{
	const unsigned char *w;

	(void)state;
	small_model();
	assert_int_equal(read_model(), TENSOCK_OK);
	w = file.parameters[0].bytes;
	assert_true(w > b.model.bytes && w + 16 <= b.model.bytes + b.model.n);
}

static void test_truncated_everywhere(void **state)
{
	(void)state;
	small_model();
	build_end(&b);
	for (size_t n = 0; n < b.model.n; n++) {
		unsigned char *cut = malloc(n ? n : 1);

		/* What a shorter buffer is read beyond is seen by a sanitizer. */
		assert_non_null(cut);
		memcpy(cut, b.model.bytes, n);
		read_bytes(cut, n);
		free(cut);
	}
	assert_int_equal(read_bytes(b.model.bytes, b.model.n / 2), TENSOCK_INVALID_MODEL);
	assert_int_equal(read_bytes(NULL, 0), TENSOCK_INVALID_MODEL);
}

static void test_tampered_everywhere(void **state)
{
	static const unsigned char evil[] = { 0x00, 0x7f, 0x80, 0xff };

	(void)state;
	small_model();
	build_end(&b);
	for (size_t i = 0; i < b.model.n; i++) {
		unsigned char was = b.model.bytes[i];

		for (size_t k = 0; k < sizeof(evil); k++) {
			b.model.bytes[i] = evil[k];
			read_bytes(b.model.bytes, b.model.n);
			tsk_arena_done(&arena);
			tsk_arena_init(&arena, 64 << 20);
		}
		b.model.bytes[i] = was;
	}
}

static void test_weight_of_wrong_size(void **state)
{
	static const int64_t wide[] = { 2, 3 }, huge[] = { INT64_MAX, 16 }, open[] = { -1, 2 };

	(void)state;
	build_begin(&b);
	build_parameter(&b, "g:w", wide, 2, values, 4);
	assert_int_equal(read_model(), TENSOCK_INVALID_MODEL);
	assert_non_null(strstr(error.message, "'g:w' has 16 bytes, while its shape asks for 24"));
	build_begin(&b);
	build_parameter(&b, "g:w", huge, 2, values, 4);
	assert_int_equal(read_model(), TENSOCK_INVALID_MODEL);
	build_begin(&b);
	build_parameter(&b, "g:w", open, 2, values, 4);
	assert_int_equal(read_model(), TENSOCK_INVALID_MODEL);
	build_begin(&b);
	build_parameter(&b, "g:w", four, 2, NULL, 0); /* no data at all */
	assert_int_equal(read_model(), TENSOCK_INVALID_MODEL);
}

static void test_too_many_dimensions(void **state)
{
	int64_t dims[TENSOCK_RANK_MAX + 1];

	(void)state;
	for (size_t i = 0; i < TENSOCK_RANK_MAX + 1; i++)
		dims[i] = 1;
	build_begin(&b);
	build_input(&b, "g:x", dims, TENSOCK_RANK_MAX + 1);
	assert_int_equal(read_model(), TENSOCK_TOO_LARGE);
	build_begin(&b);
	build_input(&b, "g:x", dims, TENSOCK_RANK_MAX);
	assert_int_equal(read_model(), TENSOCK_OK);
}

static void weight_with(unsigned field, int64_t v)
{
	build_begin(&b);
	build_tensor(&b.tensor, "g:w", BUILD_FLOAT32, four, 2, values, 16);
	if (field == 16)
		put_number(&b.tensor, field, v);
	else
		put_text(&b.tensor, field, "");
	put_message(&b.graph, 3, &b.tensor);
}

static void test_weights_elsewhere(void **state)
{
	(void)state;
	weight_with(12, 0);
	assert_int_equal(read_model(), TENSOCK_UNSUPPORTED);
	assert_non_null(strstr(error.message, "external data"));
	weight_with(17, 0);
	assert_int_equal(read_model(), TENSOCK_UNSUPPORTED);
	assert_non_null(strstr(error.message, "quantised"));
	weight_with(16, 3);
	assert_int_equal(read_model(), TENSOCK_UNSUPPORTED);
	assert_non_null(strstr(error.message, "compressed (FSE)"));
	weight_with(16, -1);
	assert_int_equal(read_model(), TENSOCK_UNSUPPORTED);
	weight_with(16, 0);
	assert_int_equal(read_model(), TENSOCK_OK);
}

static void test_functions(void **state)
{
	(void)state;
	small_model();
	build_end(&b);
	put_text(&b.model, 8, "");
	assert_int_equal(read_bytes(b.model.bytes, b.model.n), TENSOCK_UNSUPPORTED);
	assert_non_null(strstr(error.message, "1 functions: control flow"));
	small_model();
	build_node(&b, "REF::g:y", "g:z", "g:x", NULL); /* calls what is no primitive */
	assert_int_equal(read_model(), TENSOCK_UNSUPPORTED);
	assert_non_null(strstr(error.message, "'g:z' calls a function"));
}

static void test_nesting(void **state)
{
	for (unsigned depth = 1; depth <= 64; depth++) {
		(void)state;
		build_begin(&b);
		b.attribute.n = 0;
		for (unsigned i = 0; i < depth; i++) {
			b.tensor = b.attribute;
			b.attribute.n = 0;
			put_number(&b.attribute, 16, 20);
			put_message(&b.attribute, 17, &b.tensor);
		}
		build_constant(&b, "g:c");
		assert_int_equal(read_model(),
				 depth <= MINDIR_NESTING_MAX ? TENSOCK_OK : TENSOCK_TOO_LARGE);
	}
}

static void test_too_many_nodes(void **state)
{
	unsigned char *bytes = calloc(1, 3 * (MINDIR_NODES_MAX + 1) + 16);
	size_t n = 0;

	(void)state;
	assert_non_null(bytes);
	/* ModelProto.graph, of so many empty nodes */
	for (unsigned i = 0; i < MINDIR_NODES_MAX + 1; i++)
		bytes[5 + 2 * i] = 0x0a;
	n = 2 * (MINDIR_NODES_MAX + 1);
	bytes[0] = 0x3a;
	bytes[1] = (unsigned char)(0x80 | (n & 0x7f));
	bytes[2] = (unsigned char)(0x80 | (n >> 7 & 0x7f));
	bytes[3] = (unsigned char)(0x80 | (n >> 14 & 0x7f));
	bytes[4] = 0;
	assert_int_equal(read_bytes(bytes, 5 + n), TENSOCK_TOO_LARGE);
	free(bytes);
}

/* All nodes may share a primitive, and its attributes are looked through for each setting of each. */
static void test_too_many_attributes(void **state)
{
	(void)state;
	for (unsigned n = 64; n <= 65; n++) {
		build_begin(&b);
		b.inner.n = 0;
		for (unsigned i = 0; i < n; i++) {
			b.attribute.n = 0;
			put_number(&b.attribute, 3, i);
			put_message(&b.inner, 5, &b.attribute);
		}
		put_text(&b.inner, 2, "g:a");
		put_text(&b.inner, 4, "ReLU");
		put_message(&b.graph, 1, &b.inner);
		assert_int_equal(read_model(), n == 64 ? TENSOCK_OK : TENSOCK_TOO_LARGE);
	}
}

static void test_two_outputs(void **state)
{
	(void)state;
	build_begin(&b);
	b.inner.n = 0;
	put_text(&b.inner, 2, "g:a");
	put_text(&b.inner, 2, "g:b");
	put_text(&b.inner, 4, "ReLU");
	put_message(&b.graph, 1, &b.inner);
	assert_int_equal(read_model(), TENSOCK_INVALID_MODEL);
}

static void test_two_primitives_of_a_name(void **state)
{
	(void)state;
	build_begin(&b);
	b.attribute.n = 0;
	build_primitive(&b, "R", "ReLU");
	build_primitive(&b, "R", "Tanh");
	assert_int_equal(read_model(), TENSOCK_INVALID_MODEL);
}

/* 1.x: lists of all elements, described by a text. */
static void test_old_attributes(void **state)
{
	const struct mindir_value *v;

	(void)state;
	build_begin(&b);
	b.attribute.n = 0;
	put_text(&b.attribute, 15, "scalar:Tuple[value1,value2,],");
	put_number(&b.attribute, 10, 3);
	put_number(&b.attribute, 10, 4);
	build_constant(&b, "g:t");
	b.attribute.n = 0;
	put_text(&b.attribute, 15, "scalar:List[value1,],");
	put_text(&b.attribute, 11, "x");
	build_constant(&b, "g:l");
	b.attribute.n = 0;
	put_text(&b.attribute, 15, "Monad:UMonad");
	build_constant(&b, "g:u");
	assert_int_equal(read_model(), TENSOCK_OK);
	v = file.nodes[0].constant;
	assert_int_equal(v->kind, MINDIR_TUPLE);
	assert_int_equal(v->items[1].i, 4);
	assert_int_equal(file.nodes[1].constant->kind, MINDIR_TUPLE);
	assert_true(mindir_text_is(file.nodes[1].constant->items[0].text, "x"));
	assert_int_equal(file.nodes[2].constant->kind, MINDIR_MONAD);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_small),
		TEST(test_weights_in_place),
		TEST(test_truncated_everywhere),
		TEST(test_tampered_everywhere),
		TEST(test_weight_of_wrong_size),
		TEST(test_too_many_dimensions),
		TEST(test_weights_elsewhere),
		TEST(test_functions),
		TEST(test_nesting),
		TEST(test_too_many_nodes),
		TEST(test_too_many_attributes),
		TEST(test_two_outputs),
		TEST(test_two_primitives_of_a_name),
		TEST(test_old_attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
