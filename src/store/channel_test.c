/* SPDX-License-Identifier: Apache-2.0 */
/* Channels in this process, whose work on the disk can be held up; store_test.c has the rest. */
#include "store/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/folder_testing.h"
#include "base/log.h"
#include "base/memfd.h"
#include "base/seqpacket.h"
#include "base/sha256.h"

#define KIB 1024u
#define TIMEOUT_NS (UINT64_C(20) * TSK_NS_PER_SEC)

struct fixture {
	uv_loop_t loop;
	uv_timer_t tick; /* so that the loop never waits for ever */
	struct channels channels;
	char folder[64];
	int store_fd; /* of the channel that was opened last */
	sem_t go;
	atomic_bool is_held; /* the next removal waits for `go` */
	atomic_uint n_waiting;
};

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

/* Before each operation on the disk, in a thread of the pool. */
static int before(void *context, const char *operation)
{
	struct fixture *f = context;

	if (strcmp(operation, "unlink") == 0 && atomic_exchange(&f->is_held, false)) {
		f->n_waiting++;
		while (sem_wait(&f->go) < 0)
			;
	}
	return 0;
}

static int set_up(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	snprintf(f.folder, sizeof(f.folder), "/tmp/tensock-channel-XXXXXX");
	assert_non_null(mkdtemp(f.folder));
	tsk_log_init("test", NULL, TSK_LOG_ERROR, 0);
	uv_loop_init(&f.loop);
	uv_timer_init(&f.loop, &f.tick);
	uv_timer_start(&f.tick, on_tick, 5, 5);
	sem_init(&f.go, 0, 0);
	f.channels.loop = &f.loop;
	f.channels.files.root_fd = open(f.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f.channels.files.before = before;
	f.channels.files.context = &f;
	files_probe(&f.channels.files);
	shelf_init(&f.channels.shelf, 100 * KIB);
	TAILQ_INIT(&f.channels.list);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	while (!TAILQ_EMPTY(&f->channels.list))
		uv_run(&f->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&f->tick, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	assert_true(LIST_EMPTY(&f->channels.removing));
	shelf_done(&f->channels.shelf);
	close(f->channels.files.root_fd);
	assert_int_equal(tsk_folder_remove(f->folder), 0);
	return 0;
}

/* The next message: 1, or 0 at the end. */
static int receive(struct fixture *f, int fd, struct store_msg *ret)
{
	uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;
	int got = -1, r;

	while ((r = store_control_recv(fd, ret, &got)) == -EAGAIN) {
		assert_true(tsk_now_ns() < end_ns);
		uv_run(&f->loop, UV_RUN_ONCE);
	}
	tsk_close(got);
	return r < 0 ? 0 : r;
}

static void expect(struct fixture *f, int fd, enum store_msg_type type, int result)
{
	struct store_msg msg;

	assert_int_equal(receive(f, fd, &msg), 1);
	assert_int_equal(msg.type, type);
	assert_int_equal(msg.result, result);
}

static void expect_nothing(struct fixture *f, int fd, unsigned ms)
{
	uint64_t end_ns = tsk_now_ns() + ms * TSK_NS_PER_MS;
	struct store_msg msg;
	int got;

	while (tsk_now_ns() < end_ns)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(store_control_recv(fd, &msg, &got), -EAGAIN);
}

static int open_channel(struct fixture *f, const char *guest)
{
	int fds[2];

	assert_int_equal(tsk_seqpacket_pair(fds), 0);
	f->store_fd = fds[1];
	channels_add(&f->channels, guest, 0, fds[1]);
	expect(f, fds[0], STORE_INDEX, 0);
	return fds[0];
}

/* A model of so many bytes of that number. */
static struct store_msg model(unsigned char number, size_t n, int *ret_fd)
{
	static unsigned char content[100 * KIB];
	struct store_msg msg = { .type = STORE_PUT, .bytes = n };

	memset(content, number, n);
	tsk_sha256(content, n, msg.hash);
	if (ret_fd) {
		assert_int_equal(tsk_memfd_new("test", n, ret_fd), 0);
		assert_int_equal(write(*ret_fd, content, n), (ssize_t)n);
		assert_int_equal(tsk_memfd_freeze(*ret_fd), 0);
	}
	return msg;
}

static void put(int channel, unsigned char number, size_t n)
{
	int fd;
	struct store_msg msg = model(number, n, &fd);

	assert_int_equal(store_control_send(channel, &msg, fd), 0);
	close(fd);
}

static void get(int channel, unsigned char number, size_t n)
{
	struct store_msg msg = model(number, n, NULL);

	msg = store_msg_about(STORE_GET, msg.hash);
	assert_int_equal(store_control_send(channel, &msg, -1), 0);
}

static void await_held(struct fixture *f)
{
	while (!f->n_waiting)
		uv_run(&f->loop, UV_RUN_ONCE);
}

/* b is above its share, and loses its first model to a: that is being removed. */
static void take_room(struct fixture *f, int a, int b)
{
	put(b, 1, 30 * KIB);
	expect(f, b, STORE_STORED, 0);
	put(b, 2, 30 * KIB);
	expect(f, b, STORE_STORED, 0);
	f->is_held = true;
	put(a, 3, 45 * KIB);
	await_held(f);
}

/* One guest's model goes for another's; meanwhile it comes anew: it must not go with the old one. */
static void test_put_again_while_it_goes(void **state)
{
	struct fixture *f = *state;
	int a = open_channel(f, "a"), b = open_channel(f, "b");

	take_room(f, a, b);
	expect(f, b, STORE_DROPPED, 0);
	put(b, 4, 10 * KIB); /* another one: nothing to wait for */
	expect(f, b, STORE_STORED, 0);
	put(b, 1, 30 * KIB);
	get(b, 1, 30 * KIB); /* in its turn, behind that */
	expect_nothing(f, b, 100);
	sem_post(&f->go);
	expect(f, a, STORE_STORED, 0);
	expect(f, b, STORE_DROPPED, 0); /* above its share: its own second one goes */
	expect(f, b, STORE_STORED, 0);
	expect(f, b, STORE_BYTES, 0);
	close(a);
	close(b);
}

/* The same of one that had grown old. */
static void test_put_again_while_it_expires(void **state)
{
	struct fixture *f = *state;
	int a = open_channel(f, "a");
	struct shelf_entry *entry;

	put(a, 1, KIB);
	expect(f, a, STORE_STORED, 0);
	close(a);
	while (!TAILQ_EMPTY(&f->channels.list))
		uv_run(&f->loop, UV_RUN_ONCE);
	entry = TAILQ_FIRST(&TAILQ_FIRST(&f->channels.shelf.guests)->entries);
	entry->used_ms = 0;
	f->is_held = true;
	channels_expire(&f->channels, 1000);
	await_held(f);
	a = open_channel(f, "a");
	put(a, 1, KIB);
	expect_nothing(f, a, 100);
	sem_post(&f->go);
	expect(f, a, STORE_STORED, 0);
	get(a, 1, KIB);
	expect(f, a, STORE_BYTES, 0);
	close(a);
}

/* A front that goes while its model waits: what it sent is done all the same. */
static void test_gone_while_it_waits(void **state)
{
	struct fixture *f = *state;
	int a = open_channel(f, "a"), b = open_channel(f, "b");

	take_room(f, a, b);
	put(b, 1, 30 * KIB);
	expect(f, b, STORE_DROPPED, 0);
	expect_nothing(f, b, 20);
	close(b);
	sem_post(&f->go);
	expect(f, a, STORE_STORED, 0);
	close(a);
	b = open_channel(f, "b");
	get(b, 1, 30 * KIB);
	expect(f, b, STORE_BYTES, 0);
	close(b);
}

/* One that does not take its answers is not told what others do to it: its channel ends, at once. */
static void test_cannot_be_told(void **state)
{
	struct fixture *f = *state;
	int a = open_channel(f, "a"), b = open_channel(f, "b");
	struct store_msg msg = { .type = STORE_DROPPED };

	put(b, 1, 60 * KIB);
	expect(f, b, STORE_STORED, 0);
	expect_nothing(f, b, 20);
	/* The store's end of b's is full. */
	while (store_control_send(f->store_fd, &msg, -1) == 0)
		;
	put(a, 3, 45 * KIB);
	expect(f, a, STORE_STORED, 0);
	while (receive(f, b, &msg) == 1)
		;
	close(a);
	close(b);
}

#define channel_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		channel_test(test_put_again_while_it_goes),
		channel_test(test_put_again_while_it_expires),
		channel_test(test_gone_while_it_waits),
		channel_test(test_cannot_be_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
