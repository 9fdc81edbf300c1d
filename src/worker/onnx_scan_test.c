/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/onnx_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/pb.h"

#define PATH "../../../../../../etc/passwd"

/* TensorProto, 64 bytes of a file: what stole files from engines.  parts: 1 external_data, 2
 * data_location. */
static struct pb external_tensor(unsigned parts)
{
	struct pb tensor = pb_empty(), entry = pb_empty();

	pb_add_number(&tensor, 1, 64);
	pb_add_number(&tensor, 2, 2);
	pb_add_text(&tensor, 8, "w");
	pb_add_text(&entry, 1, "location");
	pb_add_text(&entry, 2, PATH);
	if (parts & 1)
		pb_add_message(&tensor, 13, entry);
	else
		free(entry.bytes);
	if (parts & 2)
		pb_add_number(&tensor, 14, 1);
	return tensor;
}

static struct pb plain_tensor(void)
{
	struct pb tensor = pb_empty();

	pb_add_number(&tensor, 1, 4);
	pb_add_number(&tensor, 2, 1);
	pb_add_number(&tensor, 14, 0);
	pb_add_text(&tensor, 9, "0123456789abcdef");
	return tensor;
}

static struct pb model_of(struct pb graph)
{
	struct pb model = pb_empty();

	pb_add_number(&model, 1, 8);
	pb_add_message(&model, 7, graph);
	return model;
}

/* Frees the model. */
static uint32_t scan(struct pb model, char *text)
{
	struct tensock_error error = { 0 };
	int r = onnx_scan(model.bytes, model.len, &error);

	free(model.bytes);
	assert_int_equal(r < 0, error.status != TENSOCK_OK);
	if (text)
		memcpy(text, error.message, sizeof(error.message));
	return error.status;
}

static void assert_external(struct pb model)
{
	char text[252];

	assert_int_equal(scan(model, text), TENSOCK_UNSUPPORTED);
	assert_non_null(strstr(text, "external data"));
	assert_null(strstr(text, "passwd"));
}

static void test_plain(void **state)
{
	struct pb graph = pb_wrap(5, plain_tensor());

	(void)state;
	pb_add_message(&graph, 1, pb_wrap(5, pb_wrap(5, plain_tensor())));
	assert_int_equal(scan(model_of(graph), NULL), TENSOCK_OK);
	assert_int_equal(scan(model_of(pb_empty()), NULL), TENSOCK_OK);
}

/* Every place of onnx.proto where a tensor may stand. */
static struct pb in_place(unsigned place, struct pb t)
{
	struct pb model;

	switch (place) {
	case 0: /* initializer */
		return model_of(pb_wrap(5, t));
	case 1: /* sparse initializer: values */
		return model_of(pb_wrap(15, pb_wrap(1, t)));
	case 2: /* sparse initializer: indices */
		return model_of(pb_wrap(15, pb_wrap(2, t)));
	case 3: /* attribute's tensor */
		return model_of(pb_wrap(1, pb_wrap(5, pb_wrap(5, t))));
	case 4: /* attribute's tensors */
		return model_of(pb_wrap(1, pb_wrap(5, pb_wrap(10, t))));
	case 5: /* attribute's sparse tensor */
		return model_of(pb_wrap(1, pb_wrap(5, pb_wrap(22, pb_wrap(1, t)))));
	case 6: /* attribute's sparse tensors */
		return model_of(pb_wrap(1, pb_wrap(5, pb_wrap(23, pb_wrap(2, t)))));
	case 7: /* subgraph */
		return model_of(pb_wrap(1, pb_wrap(5, pb_wrap(6, pb_wrap(5, t)))));
	case 8: /* subgraphs */
		return model_of(pb_wrap(1, pb_wrap(5, pb_wrap(11, pb_wrap(15, pb_wrap(1, t))))));
	case 9: /* function's node */
		model = model_of(pb_empty());
		pb_add_message(&model, 25, pb_wrap(7, pb_wrap(5, pb_wrap(5, t))));
		return model;
	case 10: /* function's default of an attribute */
		model = model_of(pb_empty());
		pb_add_message(&model, 25, pb_wrap(11, pb_wrap(5, t)));
		return model;
	case 11: /* training: initialization */
		model = model_of(pb_empty());
		pb_add_message(&model, 20, pb_wrap(1, pb_wrap(5, t)));
		return model;
	default: /* training: algorithm */
		model = model_of(pb_empty());
		pb_add_message(&model, 20, pb_wrap(2, pb_wrap(1, pb_wrap(5, pb_wrap(5, t)))));
		return model;
	}
}

static void test_external_everywhere(void **state)
{
	(void)state;
	for (unsigned place = 0; place <= 12; place++) {
		assert_int_equal(scan(in_place(place, plain_tensor()), NULL), TENSOCK_OK);
		for (unsigned parts = 1; parts <= 3; parts++)
			assert_external(in_place(place, external_tensor(parts)));
	}
}

/* Parsers merge the pieces of a message, and the last of a number counts: nothing hides in that. */
static void test_external_in_pieces(void **state)
{
	struct pb sparse, location, entry, graph;

	(void)state;
	/* The message that holds it in two pieces, the second with it. */
	sparse = pb_wrap(1, plain_tensor());
	pb_add_message(&sparse, 1, external_tensor(1));
	assert_external(model_of(pb_wrap(15, sparse)));
	/* The graph itself in two pieces. */
	graph = model_of(pb_wrap(5, plain_tensor()));
	pb_add_message(&graph, 7, pb_wrap(5, external_tensor(1)));
	assert_external(graph);
	/* A location that is taken back. */
	location = external_tensor(2);
	pb_add_number(&location, 14, 0);
	assert_external(model_of(pb_wrap(5, location)));
	/* A number that is EXTERNAL once it is cut to 32 bits. */
	location = pb_empty();
	pb_add_number(&location, 14, UINT64_C(0x100000001));
	assert_external(model_of(pb_wrap(5, location)));
	/* An entry without anything in it. */
	entry = pb_empty();
	pb_add_bytes(&entry, 13, "", 0);
	assert_external(model_of(pb_wrap(5, entry)));
}

static void test_wrong_wire_types(void **state)
{
	struct pb tensor = pb_empty();

	(void)state;
	/* data_location as bytes, external_data as a number: unknown fields to a parser, not to us. */
	pb_add_text(&tensor, 14, "\1");
	assert_int_equal(scan(model_of(pb_wrap(5, tensor)), NULL), TENSOCK_INVALID_MODEL);
	tensor = pb_empty();
	pb_add_number(&tensor, 13, 1);
	assert_int_equal(scan(model_of(pb_wrap(5, tensor)), NULL), TENSOCK_INVALID_MODEL);
	/* A graph that is a number. */
	tensor = pb_empty();
	pb_add_number(&tensor, 7, 1);
	assert_int_equal(scan(tensor, NULL), TENSOCK_INVALID_MODEL);
	/* Groups (3, 4), and the wire types that there are not. */
	for (unsigned wire = 3; wire <= 7; wire++) {
		tensor = pb_empty();
		pb_append_varint(&tensor, 9 << 3 | wire);
		pb_append(&tensor, "\0\0\0\0", 4);
		assert_int_equal(scan(model_of(pb_wrap(5, tensor)), NULL), TENSOCK_INVALID_MODEL);
	}
}

static void test_tags(void **state)
{
	struct pb tensor = pb_empty();

	(void)state;
	/* A tag that parsers would cut to 32 bits, to that of external_data. */
	pb_append_varint(&tensor, UINT64_C(0x100000000) | (13 << 3 | 2));
	pb_append_varint(&tensor, 0);
	assert_int_equal(scan(model_of(pb_wrap(5, tensor)), NULL), TENSOCK_INVALID_MODEL);
	/* The same tag in more bytes than needed is the same tag. */
	tensor = pb_empty();
	pb_append(&tensor, "\xea\x80\x80\x00\x00", 5);
	assert_external(model_of(pb_wrap(5, tensor)));
	/* Field 0, and one that onnx.proto has not. */
	tensor = pb_empty();
	pb_add_number(&tensor, 0, 1);
	assert_int_equal(scan(model_of(tensor), NULL), TENSOCK_INVALID_MODEL);
	tensor = pb_empty();
	pb_add_text(&tensor, 31, "?");
	assert_int_equal(scan(model_of(tensor), NULL), TENSOCK_UNSUPPORTED);
	tensor = pb_empty();
	pb_add_text(&tensor, 1000000, "?");
	assert_int_equal(scan(model_of(tensor), NULL), TENSOCK_UNSUPPORTED);
}

static void test_varints(void **state)
{
	static const char eleven[] = "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
	static const char too_wide[] = "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02";
	static const char widest[] = "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x3a\x00";
	static const char length[] = "\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00";

	(void)state;
	assert_int_equal(onnx_scan(eleven, sizeof(eleven) - 1, NULL), -ENOEXEC);
	assert_int_equal(onnx_scan(too_wide, sizeof(too_wide) - 1, NULL), -ENOEXEC);
	assert_int_equal(onnx_scan(widest, sizeof(widest) - 1, NULL), 0);
	assert_int_equal(onnx_scan(length, sizeof(length) - 1, NULL), -ENOEXEC);
}

static void test_not_a_model(void **state)
{
	struct pb no_graph = pb_empty(), inner_graph = pb_empty();

	(void)state;
	assert_int_equal(onnx_scan("", 0, NULL), -ENOEXEC);
	assert_int_equal(onnx_scan("GET / HTTP/1.1\r\n", 16, NULL), -ENOEXEC);
	assert_int_equal(onnx_scan("\x7f"
				   "ELF\2\1\1\0",
				   8, NULL),
			 -ENOEXEC);
	assert_int_equal(onnx_scan("\x10\0\0\0ORTM\0\0\0\0", 12, NULL), -ENOTSUP);
	/* Text may begin like a protobuf; it is no model with an odd field. */
	assert_int_equal(onnx_scan("r\x04j\x02:x", 6, NULL), -ENOEXEC);
	pb_add_number(&no_graph, 1, 8);
	assert_int_equal(scan(no_graph, NULL), TENSOCK_INVALID_MODEL);
	/* A graph, but not the model's. */
	pb_add_message(&inner_graph, 20, pb_wrap(1, pb_empty()));
	assert_int_equal(scan(inner_graph, NULL), TENSOCK_INVALID_MODEL);
}

/* A subgraph in an attribute of a node of a subgraph: three messages a level. */
static struct pb nested(unsigned levels)
{
	struct pb graph = pb_empty();

	for (unsigned i = 0; i < levels; i++)
		graph = pb_wrap(1, pb_wrap(5, pb_wrap(6, graph)));
	return model_of(graph);
}

static struct pb nested_type(unsigned levels)
{
	struct pb type = pb_empty();

	for (unsigned i = 0; i < levels; i++)
		type = pb_wrap(4, pb_wrap(1, type));
	return model_of(pb_wrap(11, pb_wrap(2, type)));
}

static void test_depth(void **state)
{
	char text[252];

	(void)state;
	assert_int_equal(scan(nested(20), NULL), TENSOCK_OK);
	assert_int_equal(scan(nested(21), text), TENSOCK_TOO_LARGE);
	assert_non_null(strstr(text, "64"));
	assert_int_equal(scan(nested(3000), NULL), TENSOCK_TOO_LARGE);
	assert_int_equal(scan(nested_type(3000), NULL), TENSOCK_TOO_LARGE);
}

static void test_amplification(void **state)
{
	struct pb graph = pb_empty();

	(void)state;
	/* 1e6 empty nodes are 2 MB here and 100 MB in a parser. */
	for (unsigned i = 0; i < 1000000; i++)
		pb_append(&graph, "\x0a\x00", 2);
	assert_int_equal(scan(model_of(graph), NULL), TENSOCK_TOO_LARGE);
	/* Numbers do not amplify: a tree of 1e6 leaves is a model. */
	graph = pb_empty();
	for (unsigned i = 0; i < 1000000; i++)
		pb_append(&graph, "\x3d\0\0\0\0", 5);
	assert_int_equal(scan(model_of(pb_wrap(1, pb_wrap(5, graph))), NULL), TENSOCK_OK);
}

/* Cut at each byte, a model is broken, or it is one that ends there. */
static void test_truncated(void **state)
{
	struct pb model = in_place(0, plain_tensor());
	unsigned refused = 0;

	(void)state;
	pb_add_text(&model, 2, "producer");
	assert_int_equal(onnx_scan(model.bytes, model.len, NULL), 0);
	for (size_t len = 0; len < model.len; len++) {
		unsigned char *cut = malloc(len + 1);

		assert_non_null(cut);
		memcpy(cut, model.bytes, len);
		refused += onnx_scan(cut, len, NULL) == -ENOEXEC;
		free(cut);
	}
	/* All but the one that ends before the producer. */
	assert_int_equal(refused, model.len - 1);
	free(model.bytes);
}

/* A flipped bit of a model with external data opens no way around the scan's own bounds. */
static void test_tampered(void **state)
{
	struct pb model = in_place(3, external_tensor(3));
	unsigned passed = 0;

	(void)state;
	for (size_t bit = 0; bit < model.len * 8; bit++) {
		model.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
		passed += onnx_scan(model.bytes, model.len, NULL) == 0;
		model.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
	/* Some become models whose external data is a string of another field; most are refused. */
	assert_true(passed < model.len * 8 / 10);
	free(model.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_external_everywhere),
		cmocka_unit_test(test_external_in_pieces),
		cmocka_unit_test(test_wrong_wire_types),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_varints),
		cmocka_unit_test(test_not_a_model),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_amplification),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_tampered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
