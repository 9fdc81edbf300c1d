/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/landlock.h"

#include <stdint.h>
#include <sys/syscall.h>

/* By number: the C library has no functions for them, and older kernel headers lack names. */
#define CREATE_RULESET 444
#define RESTRICT_SELF 446
#define CREATE_RULESET_VERSION 1u

/* struct landlock_ruleset_attr as of ABI 6; a kernel is told only of what it knows. */
struct ruleset {
	uint64_t access_fs;
	uint64_t access_net; /* ABI 4 */
	uint64_t scoped;     /* ABI 6 */
};

/* All rights to files: 13 at first, then to rename across folders, to truncate, to ioctl devices. */
static uint64_t rights_to_files(int abi)
{
	unsigned n = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;

	return (UINT64_C(1) << n) - 1;
}

static struct ruleset everything(int abi, size_t *ret_size)
{
	struct ruleset all = { .access_fs = rights_to_files(abi) };

	*ret_size = sizeof(all.access_fs);
	if (abi >= 4) {
		all.access_net = 3; /* TCP: to bind, to connect */
		*ret_size += sizeof(all.access_net);
	}
	if (abi >= 6) {
		all.scoped = 3; /* abstract sockets, signals */
		*ret_size += sizeof(all.scoped);
	}
	return all;
}

int landlock_abi(void)
{
	long abi = syscall(CREATE_RULESET, NULL, (size_t)0, CREATE_RULESET_VERSION);

	return abi < 0 ? -errno : (int)abi;
}

/* Handled without a rule is denied. */
int landlock_deny_all(void)
{
	int abi = landlock_abi();
	_cleanup_close_ int fd = -1;
	struct ruleset all;
	size_t size;

	if (abi < 0)
		return abi;
	all = everything(abi, &size);
	fd = (int)syscall(CREATE_RULESET, &all, size, 0u);
	if (fd < 0)
		return -errno;
	return syscall(RESTRICT_SELF, fd, 0u) < 0 ? -errno : 0;
}
