/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/takeover.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/memfd.h"
#include "base/testing.h"

#define HEADER_BYTES 16

struct image {
	unsigned char *bytes;
	size_t size;
};

static struct takeover_record *add(struct takeover *takeover, enum takeover_type type)
{
	struct takeover_record *record = takeover_add(takeover, type);

	assert_non_null(record);
	if (type == TAKEOVER_DEVICE) {
		memset(record->device.kept, 0xff, sizeof(record->device.kept));
		record->device.channel_fd = record->device.vmm_fd = -1;
		record->device.ledger_fd = record->device.next_vmm_fd = -1;
		snprintf(record->device.name, sizeof(record->device.name), "web");
	}
	if (type == TAKEOVER_GUEST)
		snprintf(record->guest.name, sizeof(record->guest.name), "web");
	if (type == TAKEOVER_FRONT) {
		snprintf(record->front.name, sizeof(record->front.name), "web");
		record->front.pid = 100;
		record->front.fd = 10;
		record->front.answer_fd = -1;
	}
	if (type == TAKEOVER_WORKER)
		record->worker.pid = 101;
	if (type == TAKEOVER_LISTENER)
		record->listener.fd = 11;
	if (type == TAKEOVER_WAITING) {
		record->waiting.fd = 12;
		record->waiting.msg_type = FRONT_CONNECTION;
	}
	return record;
}

/* One of each. */
static struct takeover sample(void)
{
	struct takeover takeover = { 0 };

	for (int type = TAKEOVER_DAEMON; type < TAKEOVER_TYPE_MAX; type++)
		add(&takeover, (enum takeover_type)type);
	return takeover;
}

static struct image write_image(const struct takeover *takeover)
{
	struct image image;
	struct tsk_map map;
	uint64_t size;
	int fd;

	assert_int_equal(takeover_write(takeover, &fd), 0);
	assert_int_equal(tsk_memfd_check(fd, true, &size), 0);
	assert_int_equal(tsk_map_new(fd, size, false, &map), 0);
	image.size = map.size;
	image.bytes = malloc(map.size);
	assert_non_null(image.bytes);
	memcpy(image.bytes, map.addr, map.size);
	tsk_map_done(&map);
	close(fd);
	return image;
}

/* What the reader makes of these records. */
static int parse(const struct takeover *takeover)
{
	struct image image = write_image(takeover);
	struct takeover back = { 0 };
	int r = takeover_parse(image.bytes, image.size, &back);

	if (r == 0) {
		assert_int_equal(back.n, takeover->n);
		assert_memory_equal(back.list, takeover->list, back.n * sizeof(*back.list));
	} else {
		assert_null(back.list);
	}
	takeover_done(&back);
	free(image.bytes);
	return r;
}

static void test_round_trip(void **state)
{
	struct takeover takeover = sample();

	(void)state;
	assert_int_equal(parse(&takeover), 0);
	takeover_done(&takeover);
}

static void test_image(void **state)
{
	struct takeover takeover = sample(), back = { 0 };
	struct image image = write_image(&takeover);

	(void)state;
	/* Any piece of it, and one byte more. */
	for (size_t size = 0; size < image.size; size += size < 64 ? 1 : 97)
		assert_int_equal(takeover_parse(image.bytes, size, &back), -EPROTO);
	/* Magic, version, size of a record, number of them: a byte at a time. */
	for (unsigned i = 0; i < HEADER_BYTES; i++) {
		image.bytes[i] ^= 1;
		assert_int_equal(takeover_parse(image.bytes, image.size, &back),
				 i >= 4 && i < 12 ? -EPROTONOSUPPORT : -EPROTO);
		image.bytes[i] ^= 1;
	}
	assert_null(back.list);
	free(image.bytes);
	takeover_done(&takeover);
}

/* A sample whose record of that type is broken by what follows. */
#define BREAK(record_type, statement)                                        \
	do {                                                                 \
		struct takeover takeover = sample();                         \
		struct takeover_record *r = &takeover.list[(record_type)-1]; \
                                                                             \
		statement;                                                   \
		assert_int_equal(parse(&takeover), -EPROTO);                 \
		takeover_done(&takeover);                                    \
	} while (0)

static void test_rules(void **state)
{
	(void)state;
	BREAK(TAKEOVER_DAEMON, memset(r->daemon.made_folder, 'x', ADDRESS_PATH_SIZE));
	BREAK(TAKEOVER_DAEMON, r->type = 0);
	BREAK(TAKEOVER_DAEMON, r->type = TAKEOVER_LISTENER);
	BREAK(TAKEOVER_LISTENER, r->type = TAKEOVER_DAEMON);
	BREAK(TAKEOVER_LISTENER, r->type = TAKEOVER_WORKER);
	BREAK(TAKEOVER_LISTENER, r->type = TAKEOVER_TYPE_MAX);
	BREAK(TAKEOVER_LISTENER, r->listener.fd = -1);
	BREAK(TAKEOVER_LISTENER, r->listener.fd = 2);
	BREAK(TAKEOVER_LISTENER, r->listener.fd = TAKEOVER_FD_MAX);
	BREAK(TAKEOVER_LISTENER, r->listener.fd = 10); /* the front's */
	BREAK(TAKEOVER_LISTENER, memset(r->listener.path, 'x', ADDRESS_PATH_SIZE));
	BREAK(TAKEOVER_GUEST, r->guest.name[0] = '\0');
	BREAK(TAKEOVER_GUEST, memset(r->guest.name, 'x', FRONT_NAME_SIZE));
	BREAK(TAKEOVER_GUEST, memset(r->guest.vhost_socket, 'x', ADDRESS_PATH_SIZE));
	BREAK(TAKEOVER_GUEST, memset(r->guest.uds, 'x', ADDRESS_PATH_SIZE));
	BREAK(TAKEOVER_GUEST, memset(r->guest.hybrid, 'x', ADDRESS_PATH_SIZE));
	BREAK(TAKEOVER_DEVICE, memset(r->device.name, 'x', FRONT_NAME_SIZE));
	BREAK(TAKEOVER_DEVICE, r->device.state_bytes = DEVICE_STATE_MAX + 1);
	BREAK(TAKEOVER_DEVICE, r->device.vmm_fd = 20);
	BREAK(TAKEOVER_DEVICE, r->device.ledger_fd = 20);
	BREAK(TAKEOVER_DEVICE, r->device.kept[3] = r->device.kept[4] = 20);
	BREAK(TAKEOVER_DEVICE, r->device.kept[DEVICE_FDS_MAX - 1] = 11); /* the listener's */
	BREAK(TAKEOVER_DEVICE, r->device.channel_fd = -2);
	BREAK(TAKEOVER_FRONT, r->front.pid = 0);
	BREAK(TAKEOVER_FRONT, r->front.pid = -1);
	BREAK(TAKEOVER_FRONT, r->front.fd = -1);
	BREAK(TAKEOVER_FRONT, r->front.name[0] = '\0');
	BREAK(TAKEOVER_FRONT, r->front.run_deadline_ms = TAKEOVER_DEADLINE_MAX_MS + UINT64_C(1));
	BREAK(TAKEOVER_WORKER, r->worker.pid = -1);
	BREAK(TAKEOVER_WAITING, r->waiting.fd = -1);
	BREAK(TAKEOVER_WAITING, r->waiting.fd = 10);
	BREAK(TAKEOVER_WAITING, r->waiting.msg_type = FRONT_DEVICE);
	BREAK(TAKEOVER_WAITING, r->type = TAKEOVER_DAEMON);
	BREAK(TAKEOVER_GUEST, r->type = TAKEOVER_WAITING; r->waiting.fd = 13);
}

static void test_none(void **state)
{
	struct takeover takeover = { 0 };

	(void)state;
	assert_int_equal(parse(&takeover), -EPROTO);
	while (takeover.n < TAKEOVER_RECORDS_MAX && takeover.n < 1000)
		add(&takeover, takeover.n ? TAKEOVER_GUEST : TAKEOVER_DAEMON);
	assert_int_equal(parse(&takeover), 0);
	takeover_done(&takeover);
}

/* Through a memfd, as the next program gets it: fds are kept, then ours, then closed once. */
static void test_fds(void **state)
{
	int fds[2] = { open("/dev/null", O_RDONLY | O_CLOEXEC), open("/", O_RDONLY | O_CLOEXEC) };
	struct takeover takeover = { 0 }, back = { 0 };
	int fd, taken;

	(void)state;
	add(&takeover, TAKEOVER_DAEMON);
	add(&takeover, TAKEOVER_LISTENER)->listener.fd = fds[0];
	add(&takeover, TAKEOVER_DEVICE)->device.kept[7] = fds[1];
	assert_int_equal(takeover_set_cloexec(&takeover, false), 0);
	assert_int_equal(fcntl(fds[0], F_GETFD) | fcntl(fds[1], F_GETFD), 0);
	assert_int_equal(takeover_write(&takeover, &fd), 0);
	assert_int_equal(takeover_read(fd, &back), 0); /* closes fd */
	assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fds[1], F_GETFD), FD_CLOEXEC);
	taken = TAKE_FD(back.list[1].listener.fd);
	takeover_close(&back);
	takeover_close(&back);
	assert_int_equal(fcntl(fds[1], F_GETFD), -1);
	assert_int_equal(close(taken), 0);
	takeover_done(&back);
	/* The fds are not there: nothing is taken. */
	assert_int_equal(takeover_write(&takeover, &fd), 0);
	assert_int_equal(takeover_read(fd, &back), -EPROTO);
	assert_null(back.list);
	takeover_done(&takeover);
	/* It is no sealed memfd. */
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	assert_int_equal(takeover_read(fd, &back), -EPROTO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_round_trip), TSK_TEST(test_image), TSK_TEST(test_rules),
		TSK_TEST(test_none),       TSK_TEST(test_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
