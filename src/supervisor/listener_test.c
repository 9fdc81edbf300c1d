/* SPDX-License-Identifier: Apache-2.0 */
/* Who comes in, and what happens when nobody can. */
#include "supervisor/listener.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "base/clock.h"

#define TIMEOUT_NS (UINT64_C(20) * TSK_NS_PER_SEC)

static struct {
	uv_loop_t loop;
	uv_timer_t tick;
	char folder[64];
	struct listener *listener;
	unsigned accepted;
	char guest[FRONT_NAME_SIZE];
	int fds[64];
	bool has_room;
	unsigned asked; /* for room */
} f;

static void on_accepted(struct listener *listener, const char *guest, int fd)
{
	assert_ptr_equal(listener, f.listener);
	snprintf(f.guest, sizeof(f.guest), "%s", guest);
	f.fds[f.accepted++] = fd;
}

static bool has_room(struct listener *listener)
{
	(void)listener;
	f.asked++;
	return f.has_room;
}

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

static int set_up(void **state)
{
	memset(&f, 0, sizeof(f));
	assert_int_equal(uv_loop_init(&f.loop), 0);
	uv_timer_init(&f.loop, &f.tick);
	uv_timer_start(&f.tick, on_tick, 5, 5);
	snprintf(f.folder, sizeof(f.folder), "/tmp/tensock-listen-XXXXXX");
	assert_non_null(mkdtemp(f.folder));
	f.listener = calloc(1, sizeof(*f.listener));
	assert_non_null(f.listener);
	f.listener->accepted = on_accepted;
	f.listener->has_room = has_room;
	f.has_room = true;
	(void)state;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	listener_close(f.listener);
	for (unsigned i = 0; i < f.accepted; i++)
		tsk_close(f.fds[i]);
	uv_close((uv_handle_t *)&f.tick, NULL);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f.loop), 0);
	assert_int_equal(rmdir(f.folder), 0);
	return 0;
}

static struct place place_of(enum listener_kind kind)
{
	struct place place = { .kind = kind, .port = kind == LISTENER_HYBRID ? 9999 : 0 };

	snprintf(place.path, sizeof(place.path), "%s/s%s", f.folder,
		 kind == LISTENER_HYBRID ? "_9999" : "");
	if (kind == LISTENER_HYBRID)
		snprintf(place.guest, sizeof(place.guest), "vm1");
	return place;
}

static int connect_to(const char *suffix)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s%s", f.folder, suffix);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void wait_for(unsigned n)
{
	uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;

	while (f.accepted < n && tsk_now_ns() < end_ns)
		uv_run(&f.loop, UV_RUN_ONCE);
	assert_int_equal(f.accepted, n);
}

/* A local program is its user, whatever it says. */
static void test_local(void **state)
{
	struct place place = place_of(LISTENER_UNIX);
	char want[32];
	int fd;

	(void)state;
	assert_int_equal(listener_open(f.listener, &f.loop, &place, NULL, NULL), 0);
	fd = connect_to("");
	assert_int_equal(send(fd, "cid-7", 5, 0), 5);
	wait_for(1);
	snprintf(want, sizeof(want), "uid-%u", getuid());
	assert_string_equal(f.guest, want);
	tsk_close(fd);
}

/* Who comes by a VM's socket is that VM. */
static void test_hybrid(void **state)
{
	struct place place = place_of(LISTENER_HYBRID);
	int fd;

	(void)state;
	assert_int_equal(listener_open(f.listener, &f.loop, &place, NULL, NULL), 0);
	fd = connect_to("_9999");
	wait_for(1);
	assert_string_equal(f.guest, "vm1");
	tsk_close(fd);
}

static void test_cids(void **state)
{
	static const struct {
		uint32_t cid;
		const char *name;
		bool is_local;
	} rows[] = { { 0, "cid-0", true },    { 1, "cid-1", true },
		     { 2, "cid-2", true },    { 3, "cid-3", false },
		     { 77, "cid-77", false }, { 0xffffffff, "cid-4294967295", false } };
	char name[FRONT_NAME_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(listener_cid_guest(rows[i].cid, false, name),
				 rows[i].is_local ? -EPERM : 0);
		assert_string_equal(name, rows[i].name);
		assert_int_equal(listener_cid_guest(rows[i].cid, true, name), 0);
	}
}

/* While the guest takes none, they wait, and the loop does not turn for them. */
static void test_no_room(void **state)
{
	struct place place = place_of(LISTENER_HYBRID);
	uint64_t began_ns = tsk_now_ns();
	int fd;

	(void)state;
	assert_int_equal(listener_open(f.listener, &f.loop, &place, NULL, NULL), 0);
	f.has_room = false;
	fd = connect_to("_9999");
	while (f.asked < 5)
		uv_run(&f.loop, UV_RUN_ONCE);
	/* Every 10 ms at the most, and the first one at once. */
	assert_true(tsk_now_ns() - began_ns >= 30 * TSK_NS_PER_MS);
	assert_int_equal(f.accepted, 0);
	f.has_room = true;
	wait_for(1);
	tsk_close(fd);
}

/*
 * No more files: accepting pauses, without a turn of the loop for each try, and goes on when there are
 * some again.  Those who wait are still there.
 */
static void test_no_files(void **state)
{
	struct place place = place_of(LISTENER_UNIX);
	struct rlimit before, none;
	uint64_t end_ns;
	unsigned turns = 0;
	int fds[8], lowest;

	(void)state;
	assert_int_equal(listener_open(f.listener, &f.loop, &place, NULL, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = connect_to("");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	lowest = dup(0);
	tsk_close(lowest);
	none = (struct rlimit){ (rlim_t)lowest, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	uv_timer_stop(&f.tick);
	uv_timer_start(&f.tick, on_tick, 50, 50);
	end_ns = tsk_now_ns() + 500 * TSK_NS_PER_MS;
	for (; tsk_now_ns() < end_ns; turns++)
		uv_run(&f.loop, UV_RUN_ONCE);
	assert_int_equal(f.accepted, 0);
	/* Ten of the test's own clock, five or so of the pause; a loop that spins makes thousands. */
	assert_in_range(turns, 1, 100);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	wait_for(ARRAY_SIZE(fds));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		tsk_close(fds[i]);
}

#define listener_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		listener_test(test_local),    listener_test(test_hybrid),
		cmocka_unit_test(test_cids),  listener_test(test_no_room),
		listener_test(test_no_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
