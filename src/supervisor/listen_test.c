/* SPDX-License-Identifier: Apache-2.0 */
/* Where the default sockets are. */
#include "supervisor/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define FOLDER_MAX 93 /* "/tensock.sock" and its NUL byte behind it */

static struct daemon d;
static struct config config;
static struct tensock_error error;
static char base[] = "/tmp/tensock-listen-XXXXXX";

static void listen_in(const char *folder)
{
	setenv("RUNTIME_DIRECTORY", folder, 1);
	memset(&d, 0, sizeof(d));
	d.config = &config;
	config_init(&config);
	assert_int_equal(config_finish(&config, &error), 0);
	assert_int_equal(uv_loop_init(&d.loop), 0);
	/* No sockets but Unix ones: the folder in the place of control.sock comes before the vsock port. */
	assert_true(listen_all(&d, &error) < 0);
}

static void end(void)
{
	listen_stop(&d);
	uv_run(&d.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&d.loop), 0);
	config_done(&config);
	unsetenv("RUNTIME_DIRECTORY");
}

/* The longest folder that is taken is not cut; a longer one is an error that says so. */
static void test_long_folder(void **state)
{
	char folder[FOLDER_MAX + 2], control[FOLDER_MAX + 32], want[FOLDER_MAX + 32];
	size_t len = strlen(base);

	(void)state;
	assert_non_null(mkdtemp(base));
	memcpy(folder, base, len);
	memset(folder + len, 'x', sizeof(folder) - len);
	folder[len] = '/';
	folder[FOLDER_MAX + 1] = '\0';
	listen_in(folder);
	assert_non_null(strstr(error.message, "too long"));
	end();
	folder[FOLDER_MAX] = '\0';
	snprintf(control, sizeof(control), "%s/control.sock", folder);
	snprintf(want, sizeof(want), "%s/tensock.sock", folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(mkdir(control, 0700), 0);
	listen_in(folder);
	assert_int_equal(d.n_listeners, 1);
	assert_string_equal(d.listeners[0]->place.path, want);
	assert_int_equal(access(want, F_OK), 0);
	end();
	assert_int_equal(rmdir(control), 0);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(rmdir(base), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_long_folder) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
