/* SPDX-License-Identifier: Apache-2.0 */
/* A plain folder in the place of a cgroup: what is written where.  The kernel's part cannot be tested so. */
#include "supervisor/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/folder_testing.h"
#include "base/testing.h"

static char root[64];

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void make(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void expect(const char *name, const char *text)
{
	char path[256], got[256] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	file = fopen(path, "r");
	if (!file)
		fail_msg("no %s", name);
	assert_true(fread(got, 1, sizeof(got) - 1, file) < sizeof(got));
	fclose(file);
	assert_string_equal(got, text);
}

static bool is_there(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return access(path, F_OK) == 0;
}

/* As the kernel makes it when it is made. */
static void make_guest(const char *name, bool has_all)
{
	static const char *const files[] = { "cgroup.procs", "cpu.weight", "cpu.max", "memory.max",
					     "pids.max" };
	char path[128];

	make(name);
	for (size_t i = 0; i < (has_all ? ARRAY_SIZE(files) : 3); i++) {
		snprintf(path, sizeof(path), "%s/%s", name, files[i]);
		put(path, "");
	}
}

static int set_up(void **state)
{
	snprintf(root, sizeof(root), "/tmp/tensock-cgroup-XXXXXX");
	assert_non_null(mkdtemp(root));
	make("daemon");
	put("cgroup.controllers", "cpuset cpu io memory hugetlb pids\n");
	put("cgroup.subtree_control", "");
	put("daemon/cgroup.procs", "");
	return tsk_test_setup(state);
}

static int tear_down(void **state)
{
	assert_int_equal(tsk_folder_remove(root), 0);
	return tsk_test_teardown(state);
}

static const struct cgroup_limits limits = {
	.cpu_weight = 300, .cpu_percent = 150, .memory_bytes = 1 << 30, .pids = 77
};
static const struct cgroup_limits no_bounds = { .cpu_weight = 100 };

static void test_divide(void **state)
{
	struct cgroups cgroups;

	(void)state;
	make("guest-of-an-earlier-daemon");
	make_guest("guest-busy", true); /* not empty, as one with a process in it */
	make("other");
	assert_int_equal(cgroups_init(&cgroups, root), 0);
	expect("daemon/cgroup.procs", "0");
	expect("cgroup.subtree_control", "+cpu +memory +pids");
	assert_false(is_there("guest-of-an-earlier-daemon"));
	assert_true(is_there("guest-busy"));
	assert_true(is_there("other"));
	make("guest-late");
	cgroups_done(&cgroups);
	assert_false(is_there("guest-late"));
	assert_int_equal(cgroups_enter(&cgroups, "web", &limits, 4711), -ENOTSUP);
}

static void test_enter(void **state)
{
	struct cgroups cgroups;

	(void)state;
	make_guest("guest-web", true);
	make_guest("guest-fc", true);
	assert_int_equal(cgroups_init(&cgroups, root), 0);
	assert_int_equal(cgroups_enter(&cgroups, "web", &limits, 4711), 0);
	expect("guest-web/cgroup.procs", "4711");
	expect("guest-web/cpu.weight", "300");
	expect("guest-web/cpu.max", "150000 100000");
	expect("guest-web/memory.max", "1073741824");
	expect("guest-web/pids.max", "77");
	assert_int_equal(cgroups_enter(&cgroups, "fc", &no_bounds, 12), 0);
	expect("guest-fc/cgroup.procs", "12");
	expect("guest-fc/cpu.weight", "100");
	expect("guest-fc/cpu.max", "max 100000");
	expect("guest-fc/memory.max", "max");
	expect("guest-fc/pids.max", "max");
}

/* Not all controllers are there: what is asked for must be in force, or it is an error. */
static void test_few_controllers(void **state)
{
	struct cgroups cgroups;

	(void)state;
	put("cgroup.controllers", "cpu\n");
	make_guest("guest-web", false);
	assert_int_equal(cgroups_init(&cgroups, root), 0);
	expect("cgroup.subtree_control", "+cpu");
	assert_int_equal(cgroups_enter(&cgroups, "web", &no_bounds, 4711), 0);
	expect("guest-web/cgroup.procs", "4711");
	put("guest-web/cgroup.procs", "");
	assert_int_equal(cgroups_enter(&cgroups, "web", &limits, 4712), -ENOENT);
	expect("guest-web/cgroup.procs", "");
	/* A folder that is no cgroup: nothing can be bound. */
	assert_int_equal(cgroups_enter(&cgroups, "new", &no_bounds, 4712), -ENOENT);
}

static void test_none(void **state)
{
	struct cgroups cgroups;
	char own[sizeof(cgroups.root) + 1], path[128];

	(void)state;
	put("cgroup.controllers", "cpuset memory cpux\n");
	assert_int_equal(cgroups_init(&cgroups, root), -ENOTSUP);
	assert_int_equal(cgroups_enter(&cgroups, "web", &limits, 1), -ENOTSUP);
	expect("cgroup.subtree_control", "");
	expect("daemon/cgroup.procs", ""); /* nobody was moved */
	assert_int_equal(cgroups_init(&cgroups, "/nonexistent"), -ENOENT);
	/* The same folder by a path that is too long to be kept. */
	memset(own, '/', sizeof(own));
	snprintf(own + sizeof(own) - strlen(root) - 1, strlen(root) + 1, "%s", root);
	assert_int_equal(cgroups_init(&cgroups, own), -ENAMETOOLONG);
	assert_true(cgroup_find_own(path, 1) < 0); /* no room, or none at all */
}

/* Which one is the daemon's to divide. */
static void test_choose(void **state)
{
	char own[128], pid[32];

	(void)state;
	snprintf(own, sizeof(own), "%s", root);
	put("cgroup.procs", "");
	if (geteuid() == 0) {
		assert_int_equal(cgroup_choose(own), -EPERM); /* nobody has delegated it */
		if (setxattr(root, "trusted.delegate", "1", 1, 0) < 0)
			skip();
	}
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	put("cgroup.procs", pid);
	assert_int_equal(cgroup_choose(own), 0);
	assert_string_equal(own, root);
	/* Somebody else is there, too. */
	put("cgroup.procs", "1\n2\n");
	assert_int_equal(cgroup_choose(own), -EPERM);
	/* A daemon before this one has moved. */
	put("cgroup.procs", "");
	snprintf(own, sizeof(own), "%s/daemon", root);
	assert_int_equal(cgroup_choose(own), 0);
	assert_string_equal(own, root);
	/* It is only called so. */
	put("cgroup.procs", "1\n");
	snprintf(own, sizeof(own), "%s/daemon", root);
	assert_int_equal(cgroup_choose(own), -EPERM);
	snprintf(pid, sizeof(pid), "%s/daemon", "/nonexistent");
	assert_int_equal(cgroup_choose(pid), -EPERM);
}

/* What the kernel says of a guest's memory; played in a file, for real controllers are seldom delegated. */
static void test_oom(void **state)
{
	static const char *const events[] = {
		"low 0\nhigh 7\nmax 40\noom 2\noom_kill 3\noom_group_kill 9\n",
		"oom_kill 3\noom_group_kill 9\noom 2", /* in another order, and cut */
	};
	struct cgroup_oom oom = { 0 };
	struct cgroups cgroups;

	(void)state;
	make_guest("guest-web", true);
	assert_int_equal(cgroups_init(&cgroups, root), 0);
	assert_int_equal(cgroups_oom(&cgroups, "web", &oom), -ENOENT); /* no such controller */
	assert_int_equal(cgroups_oom(&cgroups, "gone", &oom), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		oom = (struct cgroup_oom){ 0 };
		put("guest-web/memory.events", events[i]);
		assert_int_equal(cgroups_oom(&cgroups, "web", &oom), 0);
		assert_int_equal(oom.at_limit, 2);
		assert_int_equal(oom.kills, 3);
	}
	put("guest-web/memory.events", "oom_killer 5\nroom 6\n"); /* a kernel that does not say */
	assert_int_equal(cgroups_oom(&cgroups, "web", &oom), 0);
	assert_int_equal(oom.at_limit, 0);
	assert_int_equal(oom.kills, 0);
	cgroups_done(&cgroups);
	assert_int_equal(cgroups_oom(&cgroups, "web", &oom), -ENOTSUP);
}

static void test_nice(void **state)
{
	(void)state;
	assert_int_equal(cgroup_nice(100), 0);
	assert_int_equal(cgroup_nice(80), 1);
	assert_int_equal(cgroup_nice(125), -1);
	assert_int_equal(cgroup_nice(10), 10);
	assert_int_equal(cgroup_nice(1), 19);
	assert_int_equal(cgroup_nice(10000), -20);
	for (uint64_t weight = 2; weight <= 10000; weight++)
		assert_true(cgroup_nice(weight) <= cgroup_nice(weight - 1));
}

#define cgroup_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cgroup_test(test_divide),
		cgroup_test(test_enter),
		cgroup_test(test_few_controllers),
		cgroup_test(test_none),
		cgroup_test(test_oom),
		cgroup_test(test_nice),
		cgroup_test(test_choose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
