/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/feature.h"

#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sandbox/identity.h"
#include "sandbox/landlock.h"

static const struct {
	const char *name;
	const char *advice;
} rows[SANDBOX_FEATURES] = {
	{ "seccomp", "use a kernel with CONFIG_SECCOMP_FILTER, 4.14 or later" },
	{ "landlock",
	  "use Linux 5.13 or later with CONFIG_SECURITY_LANDLOCK, and landlock in lsm= of "
	  "its command line" },
	{ "namespaces", "start tensockd as root, or let users have them: see "
			"user.max_user_namespaces and the like in sysctl -a" },
};

static bool has_seccomp(void)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

/* In a process that may be changed by it. */
static bool has_namespaces(void)
{
	struct identity identity;
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(identity_begin(&identity) == 0 ? 0 : 1);
	if (pid < 0)
		return false;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return false;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

unsigned sandbox_missing(void)
{
	unsigned missing = 0;

	if (!has_seccomp())
		missing |= SANDBOX_SECCOMP;
	if (landlock_abi() < 1)
		missing |= SANDBOX_LANDLOCK;
	if (!has_namespaces())
		missing |= SANDBOX_NAMESPACES;
	return missing;
}

void sandbox_features_text(unsigned features, char ret[SANDBOX_TEXT_SIZE])
{
	size_t len = 0;

	snprintf(ret, SANDBOX_TEXT_SIZE, "none");
	for (unsigned i = 0; i < SANDBOX_FEATURES; i++) {
		if (features & 1u << i)
			len += (size_t)snprintf(ret + len, SANDBOX_TEXT_SIZE - len, "%s%s",
						len ? ", " : "", rows[i].name);
	}
}

const char *sandbox_feature_advice(enum sandbox_feature feature)
{
	for (unsigned i = 0; i < SANDBOX_FEATURES; i++) {
		if (feature == 1u << i)
			return rows[i].advice;
	}
	return "";
}

/* The feature of that name, or 0. */
static unsigned feature_of(const char *name, size_t len)
{
	for (unsigned i = 0; i < SANDBOX_FEATURES; i++) {
		if (strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0)
			return 1u << i;
	}
	return 0;
}

int sandbox_features_parse(const char *text, unsigned *ret)
{
	unsigned features = 0;

	if (strcmp(text, "yes") == 0 || strcmp(text, "no") == 0) {
		*ret = text[0] == 'y' ? SANDBOX_ALL : 0;
		return 0;
	}
	for (;;) {
		size_t len = strcspn(text, ", ");
		unsigned feature = feature_of(text, len);

		if (!feature)
			return -EINVAL;
		features |= feature;
		text += len;
		if (!*text)
			break;
		text += strspn(text, ", ");
	}
	*ret = features;
	return 0;
}
