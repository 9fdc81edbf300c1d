/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/npy.h"

#include <string.h>

#include "base/testing.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

struct file {
	unsigned char bytes[70000];
	size_t len;
};

static struct file file;

/* A file of that version with this dictionary and n bytes of elements. */
static void make(unsigned major, const char *dictionary, const void *data, size_t n)
{
	size_t len = strlen(dictionary);

	memcpy(file.bytes, "\x93NUMPY", 6);
	file.bytes[6] = (unsigned char)major;
	file.bytes[7] = 0;
	file.len = 8;
	for (unsigned i = 0; i < (major == 1 ? 2 : 4); i++)
		file.bytes[file.len++] = (unsigned char)(len >> 8 * i);
	memcpy(file.bytes + file.len, dictionary, len);
	file.len += len;
	memcpy(file.bytes + file.len, data, n);
	file.len += n;
}

/* As what the file is read, or the status of the refusal as a negative number. */
static int64_t read_as(uint32_t wanted, struct tsk_npy *ret_npy, struct tsk_npy_tensor *ret)
{
	/* At the end of its memory, for sanitizers. */
	unsigned char *copy = malloc(file.len + !file.len);
	struct tensock_error error = { 0 };
	int r;

	memcpy(copy, file.bytes, file.len);
	r = tsk_npy_parse(copy, file.len, ret_npy, &error);
	if (r == 0)
		r = tsk_npy_tensor(ret_npy, wanted, ret, &error);
	if (r == 0 && !ret->owned) {
		ret->owned = malloc(ret->bytes + 1);
		memcpy(ret->owned, ret->data, ret->bytes);
		ret->data = ret->owned;
	}
	free(copy);
	assert_true((r < 0) == (error.status != 0));
	assert_true(r == 0 || error.message[0]);
	return r < 0 ? -(int64_t)error.status : 0;
}

static void reads(uint32_t wanted, uint32_t dtype, const void *expected, size_t n)
{
	struct tsk_npy npy;
	struct tsk_npy_tensor tensor;

	assert_int_equal(read_as(wanted, &npy, &tensor), 0);
	assert_int_equal(tensor.dtype, dtype);
	assert_int_equal(tensor.bytes, n);
	assert_memory_equal(tensor.data, expected, n);
	tsk_npy_tensor_done(&tensor);
}

static void refuses(uint32_t wanted, int status)
{
	struct tsk_npy npy;
	struct tsk_npy_tensor tensor;

	assert_int_equal(read_as(wanted, &npy, &tensor), -status);
}

/* What numpy.save() 1.24 wrote. */
static void test_of_numpy(void **state)
{
	static const char head[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
				   "                                                          \n";
	static const float data[6] = { 0, 1, 2, 3, 4, 5 };
	struct tsk_npy npy;
	struct tsk_npy_tensor tensor;

	(void)state;
	for (unsigned major = 1; major <= 3; major++) {
		make(major, head, data, sizeof(data));
		assert_int_equal(read_as(0, &npy, &tensor), 0);
		assert_int_equal(tensor.dtype, TENSOCK_FLOAT32);
		assert_int_equal(npy.rank, 2);
		assert_int_equal(npy.dims[0], 2);
		assert_int_equal(npy.dims[1], 3);
		assert_int_equal(tensor.bytes, 24);
		assert_memory_equal(tensor.data, data, 24);
		tsk_npy_tensor_done(&tensor);
	}
}

static void test_dictionaries(void **state)
{
	static const char *const good[] = {
		"{'descr': '|u1', 'fortran_order': False, 'shape': (4,)}",
		"{\"shape\":(2,2),\"descr\":\"|u1\",\"fortran_order\":False}",
		"{'descr': '=u1', 'fortran_order': True, 'shape': (4L,), }\n",
		"{'descr': '>u1', 'fortran_order': False, 'shape': (1, 2, 2), }",
	};
	static const char *const bad[] = {
		"",
		"{",
		"{}",
		"{'descr': '|u1', 'fortran_order': False}",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (4,)",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (4,)}}",
		"{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (4,)}",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (4,), 'more': 1}",
		"{'descr': '|u1' 'fortran_order': False, 'shape': (4,)}",
		"{'descr': '|u1', 'fortran_order': Maybe, 'shape': (4,)}",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (-4,)}",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (4 1)}",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (4",
		"{'descr': '|u1', 'fortran_order': False, 'shape': 4}",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (18446744073709551620,)}",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775807, 4)}",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775807, 9, 0)}",
		"{'descr': '|u1, 'fortran_order': False, 'shape': (4,)}",
		"{'descr': '', 'fortran_order': False, 'shape': (4,)}",
		"{'descr': '|', 'fortran_order': False, 'shape': (4,)}",
		"{'descr': '|u', 'fortran_order': False, 'shape': (4,)}",
		"{'descr': '|u1x', 'fortran_order': False, 'shape': (4,)}",
		"{'descr': '|S0', 'fortran_order': False, 'shape': (4,)}",
		"{'descr': '|S99999999999', 'fortran_order': False, 'shape': (4,)}",
		"{'descr': '|u3', 'fortran_order': False, 'shape': (1,)}",
		"{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (4,)}",
	};
	static const char *const unsupported[] = {
		"{'descr': '|O', 'fortran_order': False, 'shape': (4,)}",
		"{'descr': '<M8', 'fortran_order': False, 'shape': (4,)}",
		"{'descr': '>u2', 'fortran_order': False, 'shape': (2,)}",
		"{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2)}",
		"{'descr': '|u1', 'fortran_order': False, 'shape': "
		"(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,4)}",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		make(1, good[i], "\1\2\3\4", 4);
		reads(0, TENSOCK_UINT8, "\1\2\3\4", 4);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		make(1, bad[i], "\1\2\3\4", 4);
		refuses(0, TENSOCK_INVALID_ARGUMENT);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(unsupported); i++) {
		make(1, unsupported[i], "\1\2\3\4", 4);
		refuses(0, TENSOCK_UNSUPPORTED);
	}
}

static void test_broken_files(void **state)
{
	static const char head[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
	size_t whole;

	(void)state;
	make(2, head, "\0\0\0\0\0\0\0\0x", 9);
	refuses(0, TENSOCK_INVALID_ARGUMENT); /* one too many */
	whole = --file.len;
	reads(0, TENSOCK_FLOAT32, "\0\0\0\0\0\0\0\0", 8);
	while (file.len--)
		refuses(0, TENSOCK_INVALID_ARGUMENT);
	file.len = whole;
	file.bytes[6] = 4;
	refuses(0, TENSOCK_UNSUPPORTED);
	file.bytes[6] = 0;
	refuses(0, TENSOCK_UNSUPPORTED);
	file.bytes[6] = 2;
	memset(file.bytes + 8, 0xff, 4); /* a dictionary of 4 GiB */
	refuses(0, TENSOCK_INVALID_ARGUMENT);
	file.bytes[0] = 'P';
	refuses(0, TENSOCK_INVALID_ARGUMENT);
}

static void test_wanted_types(void **state)
{
	(void)state;
	make(1, "{'descr': '<V2', 'fortran_order': False, 'shape': (1,)}", "\x80\x3f", 2);
	reads(0, TENSOCK_BFLOAT16, "\x80\x3f", 2);
	refuses(TENSOCK_FLOAT16, TENSOCK_INVALID_ARGUMENT);
	make(1, "{'descr': '<u2', 'fortran_order': False, 'shape': (1,)}", "\x80\x3f", 2);
	reads(0, TENSOCK_UINT16, "\x80\x3f", 2);
	reads(TENSOCK_BFLOAT16, TENSOCK_BFLOAT16, "\x80\x3f", 2);
	refuses(TENSOCK_INT16, TENSOCK_INVALID_ARGUMENT);
	refuses(TENSOCK_BYTES, TENSOCK_INVALID_ARGUMENT);
	refuses(TENSOCK_DTYPE_MAX, TENSOCK_INVALID_ARGUMENT);
	make(1, "{'descr': '|V1', 'fortran_order': False, 'shape': (2,)}", "\x7e\x01", 2);
	refuses(0, TENSOCK_INVALID_ARGUMENT);
	reads(TENSOCK_FLOAT8E4M3FN, TENSOCK_FLOAT8E4M3FN, "\x7e\x01", 2);
	make(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}", "\0\2", 2);
	refuses(0, TENSOCK_INVALID_ARGUMENT);
}

static void test_nibbles(void **state)
{
	(void)state;
	make(1, "{'descr': '|i1', 'fortran_order': False, 'shape': (3,)}", "\xf8\7\xff", 3);
	reads(TENSOCK_INT4, TENSOCK_INT4, "\x78\x0f", 2);
	make(1, "{'descr': '|i1', 'fortran_order': False, 'shape': (1,)}", "\x08", 1);
	refuses(TENSOCK_INT4, TENSOCK_INVALID_ARGUMENT);
	make(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}", "\x0f\x01", 2);
	reads(TENSOCK_UINT4, TENSOCK_UINT4, "\x1f", 1);
	file.bytes[file.len - 1] = 16;
	refuses(TENSOCK_UINT4, TENSOCK_INVALID_ARGUMENT);
}

static void test_texts(void **state)
{
	static const unsigned char wide[] = { 'a', 0, 0,    0,    0, 0, 0, 0, 0xe9, 0, 0, 0,
					      0,   0, 0xf6, 0x01, 0, 0, 0, 0, 0,    0, 0, 0 };

	(void)state;
	make(1, "{'descr': '|S3', 'fortran_order': False, 'shape': (3,)}", "abc\0b\0\0\0\0", 9);
	reads(0, TENSOCK_BYTES, "\3\0\0\0abc\2\0\0\0\0b\0\0\0\0", 17);
	refuses(TENSOCK_UINT8, TENSOCK_INVALID_ARGUMENT);
	make(1, "{'descr': '<U3', 'fortran_order': False, 'shape': (2,)}", wide, sizeof(wide));
	refuses(0, TENSOCK_INVALID_ARGUMENT); /* 0x1f60000 */
	file.bytes[file.len - 12] = 0;
	file.bytes[file.len - 10] = 1;
	file.bytes[file.len - 9] = 0;
	file.bytes[file.len - 11] = 0xf6; /* 0x1f600 */
	reads(0, TENSOCK_BYTES, "\4\0\0\0a\0\xc3\xa9\4\0\0\0\xf0\x9f\x98\x80", 16);
	make(1, "{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}", "\0\xd8\0\0", 4);
	refuses(0, TENSOCK_INVALID_ARGUMENT); /* half of a pair of UTF-16 */
}

/* Writes into `file`; the status. */
static int write_file(uint32_t dtype, const int64_t *dims, uint32_t rank, const void *data,
		      size_t bytes)
{
	struct tensock_error error = { 0 };
	FILE *out = fmemopen(file.bytes, sizeof(file.bytes), "wb");
	int r = tsk_npy_write(out, dtype, dims, rank, data, bytes, &error);

	fflush(out);
	file.len = (size_t)ftell(out);
	assert_false(ferror(out));
	fclose(out);
	assert_true((r < 0) == (error.status != 0));
	return (int)error.status;
}

/* Every type comes back as it went, also without elements and without dimensions. */
static void test_round_trip(void **state)
{
	static const int64_t shapes[][3] = { { 3, 1, 5 }, { 2, 0, 7 }, { 1, 1, 1 } };

	(void)state;
	for (uint32_t dtype = 1; dtype < TENSOCK_DTYPE_MAX; dtype++) {
		for (unsigned i = 0; i < 4; i++) {
			const int64_t *dims = shapes[i % 3];
			uint32_t rank = i < 3 ? 3 : 0;
			unsigned char data[15 * 16] = { 0 };
			uint64_t bytes;

			if (dtype == TENSOCK_BYTES)
				continue;
			assert_int_equal(tsk_shape_bytes(dtype, dims, rank, &bytes), 0);
			for (unsigned j = 0; j < bytes; j++)
				data[j] = (unsigned char)(dtype == TENSOCK_BOOL ? j % 2 : 37 * j);
			if (tsk_dtype_bits(dtype) == 4 && bytes)
				data[bytes - 1] &= 0xf; /* an odd number of elements */
			assert_int_equal(write_file(dtype, dims, rank, data, bytes), 0);
			reads(dtype, dtype, data, bytes);
		}
	}
}

static void test_write_head(void **state)
{
	(void)state;
	assert_int_equal(write_file(TENSOCK_INT64, (int64_t[]){ 2 }, 1, "0123456789abcdef", 16), 0);
	assert_int_equal(file.len, 128 + 16);
	assert_memory_equal(file.bytes, "\x93NUMPY\1\0\x76\0{'descr': '<i8', ", 26);
	assert_non_null(
		strstr((char *)file.bytes + 10, "'fortran_order': False, 'shape': (2,), }"));
	assert_int_equal(file.bytes[127], '\n');
	assert_int_equal(write_file(TENSOCK_BFLOAT16, NULL, 0, "ab", 2), 0);
	assert_non_null(
		strstr((char *)file.bytes + 10, "'<V2', 'fortran_order': False, 'shape': (), }"));
}

static void test_write_texts(void **state)
{
	static const char texts[] = "\2\0\0\0hi\0\0\0\0\3\0\0\0\0yz";
	size_t n = sizeof(texts) - 1;

	(void)state;
	assert_int_equal(write_file(TENSOCK_BYTES, (int64_t[]){ 3 }, 1, texts, n), 0);
	assert_memory_equal(file.bytes + 128, "hi\0\0\0\0\0yz", 9);
	reads(0, TENSOCK_BYTES, texts, n);
	assert_int_equal(write_file(TENSOCK_BYTES, (int64_t[]){ 2 }, 1, texts, n),
			 TENSOCK_PROTOCOL);
	assert_int_equal(write_file(TENSOCK_BYTES, (int64_t[]){ 3 }, 1, texts, n - 1),
			 TENSOCK_PROTOCOL);
	assert_int_equal(write_file(TENSOCK_BYTES, (int64_t[]){ 1 }, 1, "\1\0\0\0\0", 5),
			 TENSOCK_UNSUPPORTED);
	assert_int_equal(write_file(TENSOCK_BYTES, (int64_t[]){ 0 }, 1, NULL, 0), 0);
	reads(0, TENSOCK_BYTES, "", 0);
}

/* A million empty texts and one of 1 MiB would be 1 TiB. */
static void test_write_padding(void **state)
{
	enum {
		N = 1000000,
		LONG = 1 << 20
	};
	size_t bytes = (size_t)4 * N + LONG;
	unsigned char *data = calloc(1, bytes);

	(void)state;
	data[2] = LONG >> 16;
	memset(data + 4, 'x', LONG);
	assert_int_equal(write_file(TENSOCK_BYTES, (int64_t[]){ N }, 1, data, bytes),
			 TENSOCK_TOO_LARGE);
	free(data);
}

static void test_write_lies(void **state)
{
	(void)state;
	assert_int_equal(write_file(TENSOCK_FLOAT32, (int64_t[]){ 2 }, 1, "1234567", 7),
			 TENSOCK_PROTOCOL);
	assert_int_equal(write_file(TENSOCK_FLOAT32, (int64_t[]){ -1 }, 1, "1234", 4),
			 TENSOCK_PROTOCOL);
	assert_int_equal(write_file(TENSOCK_FLOAT32, (int64_t[]){ INT64_MAX, 4 }, 2, "1234", 4),
			 TENSOCK_PROTOCOL);
	assert_int_equal(write_file(0, (int64_t[]){ 1 }, 1, "1234", 4), TENSOCK_PROTOCOL);
	assert_int_equal(write_file(UINT32_MAX, (int64_t[]){ 1 }, 1, "1234", 4), TENSOCK_PROTOCOL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_of_numpy),     TSK_TEST(test_dictionaries),
		TSK_TEST(test_broken_files), TSK_TEST(test_wanted_types),
		TSK_TEST(test_nibbles),      TSK_TEST(test_texts),
		TSK_TEST(test_round_trip),   TSK_TEST(test_write_head),
		TSK_TEST(test_write_texts),  TSK_TEST(test_write_padding),
		TSK_TEST(test_write_lies),
	};

	return cmocka_run_group_tests_name("npy", tests, NULL, NULL);
}
