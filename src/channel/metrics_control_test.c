/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/metrics_control.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/seqpacket.h"
#include "base/testing.h"

static int pair[2];

static struct metrics_msg msg_of(uint32_t type)
{
	struct metrics_msg msg = { .type = type };

	if (type >= METRICS_FRONT && type <= METRICS_FORGET)
		snprintf(msg.name, sizeof(msg.name), "vm1");
	if (type == METRICS_START)
		msg.value = TSK_LOG_DEBUG | TSK_LOG_JSON;
	return msg;
}

static bool has_fd(uint32_t type)
{
	return type <= METRICS_FRONT;
}

/* What the other side makes of these bytes. */
static int recv_of(const void *bytes, size_t n, unsigned n_fds)
{
	int fds[2] = { 0, 0 }, fd = -1, r;
	struct metrics_msg msg;

	assert_int_equal(tsk_seqpacket_send(pair[0], bytes, n, fds, n_fds), 0);
	r = metrics_control_recv(pair[1], &msg, &fd);
	tsk_close(fd);
	return r;
}

static void test_types(void **state)
{
	(void)state;
	assert_int_equal(tsk_seqpacket_pair(pair), 0);
	for (uint32_t type = 0; type <= METRICS_FORGET + 1; type++) {
		bool is_one = type >= METRICS_START && type <= METRICS_FORGET;
		struct metrics_msg msg = msg_of(type), got;
		int fd = -1;

		assert_int_equal(metrics_control_send(pair[0], &msg, has_fd(type) ? 0 : -1),
				 is_one ? 0 : -EINVAL);
		assert_int_equal(metrics_control_send(pair[0], &msg, has_fd(type) ? -1 : 0),
				 -EINVAL);
		if (!is_one)
			continue;
		assert_int_equal(metrics_control_recv(pair[1], &got, &fd), 1);
		assert_memory_equal(&got, &msg, sizeof(msg));
		assert_int_equal(fd >= 0, has_fd(type));
		tsk_close(fd);
	}
	close(pair[0]);
	close(pair[1]);
}

static void test_malformed(void **state)
{
	(void)state;
	assert_int_equal(tsk_seqpacket_pair(pair), 0);
	for (uint32_t type = 0; type <= METRICS_FORGET + 1; type++) {
		bool is_one = type >= METRICS_START && type <= METRICS_FORGET;
		struct metrics_msg msg = msg_of(type), other;

		assert_int_equal(recv_of(&msg, sizeof(msg), has_fd(type)), is_one ? 1 : -EPROTO);
		assert_int_equal(recv_of(&msg, sizeof(msg), !has_fd(type)), -EPROTO);
		assert_int_equal(recv_of(&msg, sizeof(msg), 2), -EPROTO);
		assert_int_equal(recv_of(&msg, sizeof(msg) - 1, has_fd(type)), -EPROTO);
		other = msg;
		other.value = type == METRICS_START ? TSK_LOG_LEVEL_MAX : 1;
		assert_int_equal(recv_of(&other, sizeof(other), has_fd(type)), -EPROTO);
		other = msg;
		memset(other.name, msg.name[0] ? 0 : 'x', sizeof(other.name));
		assert_int_equal(recv_of(&other, sizeof(other), has_fd(type)), -EPROTO);
		memset(other.name, 'x', sizeof(other.name));
		assert_int_equal(recv_of(&other, sizeof(other), has_fd(type)), -EPROTO);
	}
	close(pair[0]);
	assert_int_equal(metrics_control_recv(pair[1], &(struct metrics_msg){ 0 }, &(int){ -1 }),
			 0);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_types), TSK_TEST(test_malformed) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
