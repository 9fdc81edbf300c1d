/* SPDX-License-Identifier: Apache-2.0 */
/*
 * without FEATURE PROGRAM [ARGUMENT]...: the program as on a kernel without "landlock", "namespaces" or
 * "seccomp": the system calls that bring it fail as they would there.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *feature, *call;
	int error;
} missing[] = {
	{ "landlock", "landlock_create_ruleset", ENOSYS },
	{ "namespaces", "unshare", EPERM },
	{ "seccomp", "seccomp", ENOSYS },
};

int main(int argc, char **argv)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);

	for (unsigned i = 0; argc > 2 && context && i < sizeof(missing) / sizeof(missing[0]); i++) {
		if (strcmp(argv[1], missing[i].feature) != 0)
			continue;
		if (seccomp_rule_add(context, SCMP_ACT_ERRNO((unsigned)missing[i].error),
				     seccomp_syscall_resolve_name(missing[i].call), 0) == 0 &&
		    seccomp_load(context) == 0)
			execv(argv[2], argv + 2);
	}
	fprintf(stderr, "usage: without landlock|namespaces|seccomp PROGRAM [ARGUMENT]...\n");
	return 125;
}
