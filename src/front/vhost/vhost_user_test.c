/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vhost_user.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct vhost_user_header header_of(uint32_t request, uint32_t size)
{
	return (struct vhost_user_header){ .request = request, .size = size };
}

/* Exactly so many bytes, on the heap: a sanitizer sees the first one read too far. */
static int decode(uint32_t request, const void *bytes, uint32_t size, unsigned n_fds,
		  struct vhost_user_message *ret)
{
	struct vhost_user_header header = header_of(request, size);
	void *copy = malloc(size ? size : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	r = vhost_user_decode(&header, copy, n_fds, ret);
	free(copy);
	return r;
}

static void headers_are_read(void **state)
{
	static const unsigned char good[] = { 5, 0, 0, 0, 9, 0, 0, 0, 8, 1, 0, 0 };
	struct vhost_user_header header;

	(void)state;
	assert_int_equal(vhost_user_decode_header(good, &header), 0);
	assert_int_equal(header.request, 5);
	assert_int_equal(header.size, 264);
	assert_true(header.need_reply);
	/* Every other value of the flags' lowest byte, and a bit in each other one. */
	for (unsigned flags = 0; flags < 256; flags++) {
		unsigned char bytes[12];

		memcpy(bytes, good, 12);
		bytes[4] = (unsigned char)flags;
		assert_int_equal(vhost_user_decode_header(bytes, &header),
				 flags == 1 || flags == 9 ? 0 : -EPROTO);
	}
	for (unsigned i = 5; i < 8; i++) {
		unsigned char bytes[12];

		memcpy(bytes, good, 12);
		bytes[i] = 1;
		assert_int_equal(vhost_user_decode_header(bytes, &header), -EPROTO);
	}
}

/* Each request takes exactly its size and its number of fds, and nothing beside. */
static void sizes_and_fds_are_exact(void **state)
{
	static const struct {
		uint32_t request, size;
		unsigned fds_min, fds_max;
		unsigned char payload[80];
	} rows[] = {
		{ VHOST_USER_GET_FEATURES, 0, 0, 0, { 0 } },
		{ VHOST_USER_SET_FEATURES, 8, 0, 0, { 0 } },
		{ VHOST_USER_SET_OWNER, 0, 0, 0, { 0 } },
		{ VHOST_USER_RESET_OWNER, 0, 0, 0, { 0 } },
		{ VHOST_USER_SET_MEM_TABLE, 8 + 64, 2, 2, { 2 } },
		{ VHOST_USER_SET_VRING_NUM, 8, 0, 0, { 0 } },
		{ VHOST_USER_SET_VRING_ADDR, 40, 0, 0, { 0 } },
		{ VHOST_USER_SET_VRING_BASE, 8, 0, 0, { 0 } },
		{ VHOST_USER_GET_VRING_BASE, 8, 0, 0, { 0 } },
		{ VHOST_USER_SET_VRING_KICK, 8, 1, 1, { 2 } },
		{ VHOST_USER_SET_VRING_CALL, 8, 0, 0, { 2, 1 } },
		{ VHOST_USER_SET_VRING_ERR, 8, 1, 1, { 0 } },
		{ VHOST_USER_GET_PROTOCOL_FEATURES, 0, 0, 0, { 0 } },
		{ VHOST_USER_SET_PROTOCOL_FEATURES, 8, 0, 0, { 0 } },
		{ VHOST_USER_GET_QUEUE_NUM, 0, 0, 0, { 0 } },
		{ VHOST_USER_SET_VRING_ENABLE, 8, 0, 0, { 0 } },
		{ VHOST_USER_GET_CONFIG, 20, 0, 0, { 0, 0, 0, 0, 8 } },
		{ VHOST_USER_SET_CONFIG, 13, 0, 0, { 0, 0, 0, 0, 1 } },
		{ VHOST_USER_GET_MAX_MEM_SLOTS, 0, 0, 0, { 0 } },
		{ VHOST_USER_ADD_MEM_REG, 40, 1, 1, { 0 } },
		{ VHOST_USER_REM_MEM_REG, 40, 0, 1, { 0 } },
	};
	struct vhost_user_message msg;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (uint32_t size = 0; size <= 80; size++) {
			for (unsigned n = 0; n < 5; n++) {
				bool good = size == rows[i].size && n >= rows[i].fds_min &&
					    n <= rows[i].fds_max;

				assert_int_equal(decode(rows[i].request, rows[i].payload, size, n,
							&msg),
						 good ? 0 : -EPROTO);
			}
		}
	}
}

static void values_arrive(void **state)
{
	uint64_t table[] = { 2, 1, 2, 3, 4, 5, 6, 7, 8 };
	uint64_t addr[] = { 1 | UINT64_C(7) << 32, 0x10, 0x20, 0x30, 0x40 };
	struct vhost_user_message msg;

	(void)state;
	assert_int_equal(decode(VHOST_USER_SET_MEM_TABLE, table, sizeof(table), 2, &msg), 0);
	assert_int_equal(msg.table.n, 2);
	assert_int_equal(msg.table.regions[1].guest_addr, 5);
	assert_int_equal(msg.table.regions[1].size, 6);
	assert_int_equal(msg.table.regions[1].user_addr, 7);
	assert_int_equal(msg.table.regions[1].mmap_offset, 8);
	assert_int_equal(decode(VHOST_USER_SET_VRING_ADDR, addr, sizeof(addr), 0, &msg), 0);
	assert_int_equal(msg.addr.index, 1);
	assert_int_equal(msg.addr.flags, 7);
	assert_int_equal(msg.addr.desc, 0x10);
	assert_int_equal(msg.addr.used, 0x20);
	assert_int_equal(msg.addr.avail, 0x30);
	assert_int_equal(msg.addr.log, 0x40);
	assert_int_equal(decode(VHOST_USER_ADD_MEM_REG, table, 40, 1, &msg), 0);
	assert_int_equal(msg.region.guest_addr, 1);
	assert_int_equal(msg.region.mmap_offset, 4);
	assert_int_equal(decode(VHOST_USER_SET_VRING_KICK, "\2\0\0\0\0\0\0\0", 8, 1, &msg), 0);
	assert_int_equal(msg.ring_fd.index, 2);
	assert_true(msg.ring_fd.has_fd);
}

static void unknown_requests_are_told_apart(void **state)
{
	struct vhost_user_message msg;
	unsigned served = 0, one_way = 0;

	(void)state;
	for (uint32_t request = 0; request < 300; request++) {
		if (strcmp(vhost_user_name(request), "unknown request") != 0) {
			served++;
			assert_false(vhost_user_is_one_way(request));
			continue;
		}
		assert_int_equal(decode(request, "", 0, 0, &msg), -EOPNOTSUPP);
		assert_false(vhost_user_has_reply(request));
		one_way += vhost_user_is_one_way(request);
	}
	assert_int_equal(served, 21);
	assert_int_equal(one_way, 8);
	assert_int_equal(decode(UINT32_MAX, "", 0, 0, &msg), -EOPNOTSUPP);
}

static void replies_are_as_specified(void **state)
{
	unsigned char bytes[VHOST_USER_REPLY_MAX];
	struct vhost_user_state ring = { 1, 0x1234 };
	struct vhost_user_config config = { .offset = 2, .size = 3, .flags = 4 };

	(void)state;
	assert_int_equal(vhost_user_reply_u64(1, 0x0102030405060708, bytes), 20);
	assert_memory_equal(bytes, "\1\0\0\0\5\0\0\0\10\0\0\0\10\7\6\5\4\3\2\1", 20);
	assert_int_equal(vhost_user_reply_state(11, &ring, bytes), 20);
	assert_memory_equal(bytes, "\13\0\0\0\5\0\0\0\10\0\0\0\1\0\0\0\x34\x12\0\0", 20);
	assert_int_equal(vhost_user_reply_config(&config, "abc", bytes), 27);
	assert_memory_equal(bytes, "\30\0\0\0\5\0\0\0\17\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0abc", 27);
	assert_int_equal(vhost_user_reply_empty(24, bytes), 12);
	assert_memory_equal(bytes, "\30\0\0\0\5\0\0\0\0\0\0\0", 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_read),
		cmocka_unit_test(sizes_and_fds_are_exact),
		cmocka_unit_test(values_arrive),
		cmocka_unit_test(unknown_requests_are_told_apart),
		cmocka_unit_test(replies_are_as_specified),
	};

	return cmocka_run_group_tests_name("vhost_user", tests, NULL, NULL);
}
