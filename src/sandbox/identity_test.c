/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/identity.h"

#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/testing.h"
#include "sandbox/feature.h"
#include "sandbox/testing.h"

/* The value behind name in /proc/self/status, which is open as file. */
static void find_line(FILE *file, const char *name, char ret[128])
{
	char line[256];

	ret[0] = '\0';
	rewind(file);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, strlen(name)) == 0)
			snprintf(ret, 128, "%.100s", line + strlen(name));
	}
}

static void require_capabilities(FILE *status, const char *value)
{
	static const char *const names[] = { "CapInh:\t", "CapPrm:\t", "CapEff:\t", "CapBnd:\t",
					     "CapAmb:\t" };
	char text[128];

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		find_line(status, names[i], text);
		REQUIRE(strncmp(text, value, strlen(value)) == 0);
	}
}

static void drop_all(void)
{
	char empty[] = "/tmp/tensock-identity-XXXXXX", text[128];
	bool is_root = geteuid() == 0;
	uid_t own = SANDBOX_FIRST_UID + (uid_t)getpid();
	struct identity identity;
	FILE *status;
	int signal = 0;

	REQUIRE(mkdtemp(empty) && chdir(empty) == 0 && rmdir(empty) == 0);
	status = fopen("/proc/self/status", "re");
	REQUIRE(status && identity_begin(&identity) == 0);
	REQUIRE(identity_drop(&identity) == 0);
	/* Not there, or the root is another uid's. */
	REQUIRE(open("/etc/passwd", O_RDONLY) < 0 && (errno == ENOENT || errno == EACCES));
	REQUIRE(open("/", O_RDWR | O_TMPFILE, 0600) < 0);
	if (is_root && identity.may_be_own)
		REQUIRE(getuid() == own && geteuid() == own && getgid() == own &&
			getegid() == own && getgroups(0, NULL) == 0);
	REQUIRE(setuid(0) < 0 && chroot("/") < 0);
	REQUIRE(prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == SIGKILL);
	REQUIRE(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	require_capabilities(status, "0000000000000000");
	find_line(status, "NoNewPrivs:\t", text);
	REQUIRE(text[0] == '1');
	/* A network in which there is no other interface. */
	REQUIRE(if_nametoindex("eth0") == 0 && if_nametoindex("lo") == 1);
}

static void test_drop(void **state)
{
	(void)state;
	if (sandbox_missing() & SANDBOX_NAMESPACES)
		skip();
	assert_int_equal(in_child(drop_all), 0);
}

/* As root in a service that is let make no namespace and no other root: the rest goes nevertheless. */
static void drop_the_rest(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	uid_t own = SANDBOX_FIRST_UID + (uid_t)getpid();
	struct identity identity;
	int signal = 0;

	without("unshare", EPERM);
	without("chroot", EPERM);
	REQUIRE(status && identity_begin(&identity) == -EPERM);
	REQUIRE(identity_drop(&identity) == -EPERM);
	REQUIRE(getuid() == own && getgid() == own && getgroups(0, NULL) == 0);
	REQUIRE(prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == SIGKILL);
	require_capabilities(status, "0000000000000000");
}

static void test_drop_the_rest(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child(drop_the_rest), 0);
}

/* As a service's system call filter has it. */
static void drop_nothing(void)
{
	REQUIRE(geteuid() != 0 || setuid(65534) == 0);
	without("capset", EPERM);
	REQUIRE(identity_drop_capabilities(0) == 0);
}

static void test_nothing_to_drop(void **state)
{
	(void)state;
	assert_int_equal(in_child(drop_nothing), 0);
}

static void keep_one(void)
{
	/* CAP_KILL, which a supervisor as root keeps. */
	FILE *status = fopen("/proc/self/status", "re");
	char text[128];

	REQUIRE(status && identity_drop_capabilities(UINT64_C(1) << 5) == 0);
	find_line(status, "CapEff:\t", text);
	REQUIRE(strncmp(text, geteuid() == 0 ? "0000000000000020" : "0000000000000000", 16) == 0);
	if (geteuid() == 0) {
		find_line(status, "CapBnd:\t", text);
		REQUIRE(strncmp(text, "0000000000000020", 16) == 0);
	}
}

static void test_keep(void **state)
{
	(void)state;
	assert_int_equal(in_child(keep_one), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_drop), TSK_TEST(test_drop_the_rest),
					    TSK_TEST(test_nothing_to_drop), TSK_TEST(test_keep) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
