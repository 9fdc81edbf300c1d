/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/landlock.h"

#include <stdint.h>
#include <sys/syscall.h>

/* By number: the C library has no functions for them, and older kernel headers lack names. */
#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446
#define RULE_PATH_BENEATH 1
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

/* To write, read, list, remove folders and files, make both, rename across folders and truncate. */
#define RIGHTS_TO_STORE ((uint64_t)0x61be)

struct path_beneath {
	uint64_t allowed;
	int32_t folder_fd;
} __attribute__((packed));

/* Handled without a rule is denied.  folder_fd: the one that is not, or -1. */
static int restrict_self(int folder_fd)
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
	if (folder_fd >= 0) {
		struct path_beneath rule = { .allowed = RIGHTS_TO_STORE & all.access_fs,
					     .folder_fd = folder_fd };

		if (syscall(ADD_RULE, fd, RULE_PATH_BENEATH, &rule, 0u) < 0)
			return -errno;
	}
	return syscall(RESTRICT_SELF, fd, 0u) < 0 ? -errno : 0;
}

int landlock_deny_all(void)
{
	return restrict_self(-1);
}

int landlock_only(int folder_fd)
{
	return folder_fd < 0 ? -EBADF : restrict_self(folder_fd);
}
