/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* The fields in the order of VIRTIO 1.2 §5.10.6, each byte another one. */
static const unsigned char bytes[VSOCK_HEADER_BYTES] = {
	0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, /* src_cid */
	0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, /* dst_cid */
	0x21, 0x22, 0x23, 0x24,                         /* src_port */
	0x31, 0x32, 0x33, 0x34,                         /* dst_port */
	0x41, 0x42, 0x43, 0x44,                         /* len */
	0x51, 0x52,                                     /* type */
	0x61, 0x62,                                     /* op */
	0x71, 0x72, 0x73, 0x74,                         /* flags */
	0x81, 0x82, 0x83, 0x84,                         /* buf_alloc */
	0x91, 0x92, 0x93, 0x94,                         /* fwd_cnt */
};

static void fields_stand_where_the_standard_says(void **state)
{
	struct vsock_header h;

	(void)state;
	vsock_header_decode(bytes, &h);
	assert_true(h.src_cid == UINT64_C(0x0807060504030201));
	assert_true(h.dst_cid == UINT64_C(0x1817161514131211));
	assert_int_equal(h.src_port, 0x24232221);
	assert_int_equal(h.dst_port, 0x34333231);
	assert_int_equal(h.len, 0x44434241);
	assert_int_equal(h.type, 0x5251);
	assert_int_equal(h.op, 0x6261);
	assert_int_equal(h.flags, 0x74737271);
	assert_true(h.buf_alloc == 0x84838281);
	assert_true(h.fwd_cnt == 0x94939291);
}

static void encode_is_the_mirror(void **state)
{
	unsigned char out[VSOCK_HEADER_BYTES];
	struct vsock_header h;

	(void)state;
	vsock_header_decode(bytes, &h);
	memset(out, 0xaa, sizeof(out));
	vsock_header_encode(&h, out);
	assert_memory_equal(out, bytes, sizeof(out));
}

static void every_op_has_a_name(void **state)
{
	(void)state;
	for (unsigned op = 1; op < VSOCK_OP_MAX; op++)
		assert_string_not_equal(vsock_op_name(op), "unknown");
	assert_string_equal(vsock_op_name(0), "unknown");
	assert_string_equal(vsock_op_name(VSOCK_OP_MAX), "unknown");
	assert_string_equal(vsock_op_name(65535), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_stand_where_the_standard_says),
		cmocka_unit_test(encode_is_the_mirror),
		cmocka_unit_test(every_op_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
