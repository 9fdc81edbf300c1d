/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct config config;
static struct places places;

static void read_text(const char *text)
{
	struct tensock_error error;

	config_init(&config);
	if (config_parse(&config, "file", text, strlen(text), &error) < 0 ||
	    config_finish(&config, &error) < 0)
		fail_msg("%s", error.message);
}

static int tear_down(void **state)
{
	(void)state;
	places_done(&places);
	config_done(&config);
	return 0;
}

/* In the order in which they are opened. */
static void expect_places(const char *const *texts, unsigned n)
{
	char text[ADDRESS_TEXT_SIZE];

	assert_int_equal(places.n, n);
	for (unsigned i = 0; i < n; i++) {
		place_format(&places.list[i], text);
		assert_string_equal(text, texts[i]);
	}
}

static void test_config(void **state)
{
	static const char *const want[] = { "control:/c",
					    "unix:/l",
					    "hybrid:fc=/fc",
					    "hybrid:vm=/h (port 4294967294)",
					    "hybrid:vm=/v (port 4294967294)",
					    "uds:vm=/u",
					    "uds:vm=/u.seqpacket",
					    "vm:vm=/x",
					    "hybrid:web=/w",
					    "hybrid:web=/w (port 8000)" };

	(void)state;
	read_text("[daemon]\ncontrol = /c\nlisten = unix:/l\nlisten = hybrid:fc=/fc\n"
		  "listen = hybrid:vm=/h\n"
		  "[guest vm]\nports = 4294967294\nvhost-socket = /x\nuds = /u\nhybrid = /v\n"
		  "[guest web]\nports = 9999, 8000\nhybrid = /w\n");
	assert_int_equal(places_add_config(&places, &config), 0);
	expect_places(want, ARRAY_SIZE(want));
	assert_string_equal(places.list[2].path, "/fc_9999");
	assert_string_equal(places.list[3].path, "/h_4294967294");
	assert_string_equal(places.list[8].path, "/w_9999");
	assert_string_equal(places.list[9].path, "/w_8000");
	assert_string_equal(places.list[9].guest, "web");
}

/* A guest that is to come has the ports of its section, or of all, whatever stands in what is given. */
static void test_guest(void **state)
{
	static const char *const want[] = { "hybrid:new=/n (port 1)", "hybrid:new=/n (port 2)",
					    "hybrid:web=/n (port 3)" };
	struct config_guest guest = { .name = "new", .hybrid = "/n" };

	(void)state;
	read_text("[daemon]\nports = 1 2\n[guest web]\nports = 3\n");
	assert_int_equal(places_add_guest(&places, &config, &guest), 0);
	snprintf(guest.name, sizeof(guest.name), "web");
	assert_int_equal(places_add_guest(&places, &config, &guest), 0);
	expect_places(want, ARRAY_SIZE(want));
	assert_true(places_have(&places, &places.list[1]));
	assert_false(place_equals(&places.list[0], &places.list[1]));
}

static void test_vsock(void **state)
{
	static const char *const want[] = { "vsock:9999", "vsock:8000" };

	(void)state;
	read_text("[daemon]\nports = 9999, 8000\n");
	assert_int_equal(places_add_vsock(&places, &config.ports), 0);
	expect_places(want, ARRAY_SIZE(want));
	assert_true(places.list[0].may_be_missing && places.list[1].may_be_missing);
}

/* The longest names are told whole. */
static void test_longest(void **state)
{
	struct place place = { .kind = LISTENER_HYBRID, .port = UINT32_MAX - 1 };
	char text[ADDRESS_TEXT_SIZE], want[ADDRESS_TEXT_SIZE + 64];
	size_t most = sizeof(place.path) - 1 - ADDRESS_SUFFIX_MAX;

	(void)state;
	memset(place.guest, 'g', sizeof(place.guest) - 1);
	memset(place.path, 'p', most);
	snprintf(want, sizeof(want), "hybrid:%s=%s (port 4294967294)", place.guest, place.path);
	snprintf(place.path + most, sizeof(place.path) - most, "_%u", place.port);
	place_format(&place, text);
	assert_string_equal(text, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_config, tear_down),
		cmocka_unit_test_teardown(test_guest, tear_down),
		cmocka_unit_test_teardown(test_vsock, tear_down),
		cmocka_unit_test_teardown(test_longest, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
