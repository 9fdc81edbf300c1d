/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/notify.h"

#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/testing.h"

#define PATIENCE_MS 20000

struct fixture {
	uv_loop_t loop;
	struct notify notify;
	char folder[32], path[64];
	int manager;
};

/* A manager that listens at name, "@..." or a path. */
static int manager_new(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	return fd;
}

static void begin(struct fixture *f, const char *name)
{
	*f = (struct fixture){ .folder = "/tmp/tensock-notify-XXXXXX" };
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/s", f->folder);
	f->manager = manager_new(name ? name : f->path);
	setenv("NOTIFY_SOCKET", name ? name : f->path, 1);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	notify_init(&f->notify, &f->loop);
}

static void end(struct fixture *f)
{
	notify_done(&f->notify);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	close(f->manager);
	unlink(f->path);
	rmdir(f->folder);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

/* The next datagram, while the loop runs. */
static const char *next(struct fixture *f)
{
	static char text[1024];
	struct pollfd look = { .fd = f->manager, .events = POLLIN };
	ssize_t n;

	for (int i = 0; i < PATIENCE_MS && poll(&look, 1, 1) == 0; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	n = recv(f->manager, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void check_states(const char *name)
{
	struct fixture f;
	uint64_t usec = 0;
	char rest[32] = "";

	begin(&f, name);
	notify_ready(&f.notify, "Serving guests");
	assert_string_equal(next(&f), "READY=1\nSTATUS=Serving guests");
	notify_reloading(&f.notify, "One\nREADY=1");
	assert_int_equal(sscanf(next(&f), "RELOADING=1\nMONOTONIC_USEC=%lu\nSTATUS=%31[^\n]", &usec,
				rest),
			 2);
	assert_true(usec > 0);
	assert_string_equal(rest, "One READY=1"); /* no line of its own */
	notify_stopping(&f.notify, "");
	assert_string_equal(next(&f), "STOPPING=1\nSTATUS=");
	end(&f);
}

static void test_states(void **state)
{
	(void)state;
	check_states(NULL);
	check_states("@tensock-notify-test");
}

static void test_long_sentence(void **state)
{
	char sentence[2000];
	struct fixture f;

	(void)state;
	memset(sentence, 'x', sizeof(sentence) - 1);
	sentence[sizeof(sentence) - 1] = '\0';
	begin(&f, NULL);
	notify_ready(&f.notify, sentence);
	assert_int_equal(strlen(next(&f)), NOTIFY_TEXT_SIZE - 1);
	end(&f);
}

/* A manager that does not read: the last state is told when it does. */
static void test_full(void **state)
{
	struct fixture f;
	int n = 0;

	(void)state;
	begin(&f, NULL);
	while (!f.notify.unsent[0] && n++ < 100000)
		notify_ready(&f.notify, "again");
	assert_true(n > 1 && n < 100000);
	notify_stopping(&f.notify, "the last");
	while (strncmp(next(&f), "STOPPING=1", 10) != 0)
		assert_true(n-- > -10);
	assert_string_equal(f.notify.unsent, "");
	end(&f);
}

static void test_watchdog(void **state)
{
	struct fixture f;
	char pid[16];

	(void)state;
	setenv("WATCHDOG_USEC", "20000", 1);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	begin(&f, NULL);
	for (int i = 0; i < 3; i++)
		assert_string_equal(next(&f), "WATCHDOG=1");
	end(&f);
	/* It is another process that is watched; the text is no number. */
	for (int i = 0; i < 2; i++) {
		setenv("WATCHDOG_USEC", i ? "soon" : "20000", 1);
		setenv("WATCHDOG_PID", i ? pid : "1", 1);
		begin(&f, NULL);
		assert_false(uv_is_active((uv_handle_t *)&f.notify.watchdog));
		end(&f);
	}
}

static void test_nobody(void **state)
{
	static const char *const names[] = { NULL, "", "/", "relative", "vsock:2:1", "@" };
	struct notify notify;
	uv_loop_t loop;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i])
			setenv("NOTIFY_SOCKET", names[i], 1);
		notify_init(&notify, &loop);
		assert_int_equal(notify.manager.fd, -1);
		notify_ready(&notify, "nobody hears");
		notify_done(&notify);
		uv_run(&loop, UV_RUN_DEFAULT);
		unsetenv("NOTIFY_SOCKET");
	}
	/* One that is gone, or was never there. */
	setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
	notify_init(&notify, &loop);
	assert_true(notify.manager.fd >= 0);
	notify_ready(&notify, "nobody hears");
	assert_string_equal(notify.unsent, "");
	notify_done(&notify);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_states),   TSK_TEST(test_long_sentence), TSK_TEST(test_full),
		TSK_TEST(test_watchdog), TSK_TEST(test_nobody),
	};

	uv_loop_t loop;

	/* The first one opens fds that stay. */
	if (uv_loop_init(&loop) < 0 || uv_loop_close(&loop) < 0)
		return 1;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
