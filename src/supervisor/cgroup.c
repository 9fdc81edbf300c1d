/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MOUNT "/sys/fs/cgroup"
#define OWN_NAME "daemon"
#define GUEST_PREFIX "guest-"
#define PERIOD_US 100000u

static int read_text(const char *folder, const char *name, char *ret, size_t size)
{
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, ret, size - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return 0;
}

static int write_text(const char *folder, const char *name, const char *text)
{
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int write_number(const char *folder, const char *name, uint64_t number, bool is_bound)
{
	char text[32] = "max";

	if (is_bound)
		snprintf(text, sizeof(text), "%" PRIu64, number);
	return write_text(folder, name, text);
}

/* Whether a list of words, as cgroup.controllers is one, has this word. */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += len) {
		if ((p == list || p[-1] == ' ') && strchr(" \n", p[len]))
			return true;
	}
	return false;
}

/* systemd says so of a service with Delegate=; root may write everywhere else as well. */
static bool is_delegated(const char *root)
{
	char value;

	if (geteuid() != 0)
		return true;
	return getxattr(root, "trusted.delegate", &value, 1) == 1 ||
	       getxattr(root, "user.delegate", &value, 1) == 1;
}

/* There, or, as one that has divided it before, below it. */
static bool is_alone(const char *root)
{
	char procs[64], own[32];

	snprintf(own, sizeof(own), "%d\n", (int)getpid());
	return read_text(root, "cgroup.procs", procs, sizeof(procs)) == 0 &&
	       (!procs[0] || strcmp(procs, own) == 0);
}

static bool is_writable(const char *root)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", root);
	return access(root, W_OK) == 0 && access(path, W_OK) == 0;
}

/* The root of a container is its own. */
static bool may_divide(const char *root)
{
	return (strcmp(root, MOUNT) == 0 || is_delegated(root)) && is_writable(root) &&
	       is_alone(root);
}

int cgroup_choose(char *own)
{
	size_t len = strlen(own), suffix = strlen("/" OWN_NAME);
	bool has_moved = len > suffix && strcmp(own + len - suffix, "/" OWN_NAME) == 0;

	/* It has been a daemon before, which has started itself anew. */
	if (has_moved) {
		own[len - suffix] = '\0';
		if (may_divide(own))
			return 0;
		own[len - suffix] = '/';
	}
	return may_divide(own) ? 0 : -EPERM;
}

int cgroup_find_own(char *ret, size_t size)
{
	char text[4096], *path, *end;
	struct statfs fs;
	int r;

	if (statfs(MOUNT, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
		return -ENOENT;
	r = read_text("/proc/self", "cgroup", text, sizeof(text));
	if (r < 0)
		return r;
	path = strstr(text, "0::/");
	end = path ? strchr(path, '\n') : NULL;
	if (!end || (path != text && path[-1] != '\n'))
		return -ENOENT;
	*end = '\0';
	path += strlen("0::");
	if (snprintf(ret, size, MOUNT "%s", path[1] ? path : "") >= (int)size)
		return -ENAMETOOLONG;
	return cgroup_choose(ret);
}

static int make_folder(const char *path)
{
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* A cgroup with a process in it stays. */
static void sweep(const struct cgroups *cgroups)
{
	DIR *dir = opendir(cgroups->root);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, GUEST_PREFIX, strlen(GUEST_PREFIX)) == 0)
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	}
	if (dir)
		closedir(dir);
}

/* Those of memory and pids are taken where they are to be had. */
static int divide(const char *root)
{
	static const char *const wanted[] = { "cpu", "memory", "pids" };
	char controllers[1024], daemon[PATH_MAX], text[64] = "";
	int r = read_text(root, "cgroup.controllers", controllers, sizeof(controllers));

	if (r < 0)
		return r;
	if (!has_word(controllers, "cpu"))
		return -ENOTSUP;
	for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
		size_t len = strlen(text);

		if (has_word(controllers, wanted[i]))
			snprintf(text + len, sizeof(text) - len, "%s+%s", len ? " " : "",
				 wanted[i]);
	}
	snprintf(daemon, sizeof(daemon), "%s/" OWN_NAME, root);
	r = make_folder(daemon);
	if (r == 0)
		r = write_text(daemon, "cgroup.procs", "0");
	return r < 0 ? r : write_text(root, "cgroup.subtree_control", text);
}

int cgroups_init(struct cgroups *cgroups, const char *root)
{
	int r;

	cgroups->root[0] = '\0';
	if (strlen(root) >= sizeof(cgroups->root))
		return -ENAMETOOLONG;
	r = divide(root);
	if (r < 0)
		return r;
	snprintf(cgroups->root, sizeof(cgroups->root), "%s", root);
	sweep(cgroups);
	return 0;
}

void cgroups_done(struct cgroups *cgroups)
{
	if (cgroups->root[0])
		sweep(cgroups);
	cgroups->root[0] = '\0';
}

/* 0 where the controller is not there, and nothing was to be bound by it. */
static int bind_optional(const char *folder, const char *name, uint64_t number, bool is_wanted)
{
	int r = write_number(folder, name, number, number);

	return r == -ENOENT && !is_wanted ? 0 : r;
}

static int bind(const char *folder, const struct cgroup_limits *limits)
{
	char text[64];
	int r;

	snprintf(text, sizeof(text), "max %u", PERIOD_US);
	if (limits->cpu_percent)
		snprintf(text, sizeof(text), "%" PRIu64 " %u",
			 limits->cpu_percent * (PERIOD_US / 100), PERIOD_US);
	r = write_number(folder, "cpu.weight", limits->cpu_weight, true);
	if (r == 0)
		r = write_text(folder, "cpu.max", text);
	if (r == 0)
		r = bind_optional(folder, "memory.max", limits->memory_bytes,
				  limits->memory_bytes != 0);
	return r < 0 ? r : bind_optional(folder, "pids.max", limits->pids, false);
}

int cgroups_enter(const struct cgroups *cgroups, const char *guest,
		  const struct cgroup_limits *limits, pid_t pid)
{
	char folder[PATH_MAX], text[32];
	int r;

	if (!cgroups->root[0])
		return -ENOTSUP;
	snprintf(folder, sizeof(folder), "%s/" GUEST_PREFIX "%s", cgroups->root, guest);
	if (access(folder, F_OK) < 0)
		sweep(cgroups); /* those whose guests have gone */
	r = make_folder(folder);
	if (r == 0)
		r = bind(folder, limits);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%d", (int)pid);
	return write_text(folder, "cgroup.procs", text);
}

/* Of lines "KEY NUMBER", as memory.events has them; 0 where it is not there. */
static uint64_t number_of(const char *lines, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = lines; p && *p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, key, len) == 0 && p[len] == ' ')
			return strtoull(p + len, NULL, 10);
	}
	return 0;
}

int cgroups_oom(const struct cgroups *cgroups, const char *guest, struct cgroup_oom *ret)
{
	char folder[PATH_MAX], text[512];
	int r;

	if (!cgroups->root[0])
		return -ENOTSUP;
	snprintf(folder, sizeof(folder), "%s/" GUEST_PREFIX "%s", cgroups->root, guest);
	r = read_text(folder, "memory.events", text, sizeof(text));
	if (r < 0)
		return r;
	ret->at_limit = number_of(text, "oom");
	ret->kills = number_of(text, "oom_kill");
	return 0;
}

int cgroup_nice(uint64_t cpu_weight)
{
	double weight = CGROUP_WEIGHT_DEFAULT;
	int nice = 0;

	/* The kernel makes a step of nice a quarter more or less. */
	for (; nice < 19 && weight * 0.9 > (double)cpu_weight; nice++)
		weight /= 1.25;
	for (; nice > -20 && weight * 1.125 < (double)cpu_weight; nice--)
		weight *= 1.25;
	return nice;
}
