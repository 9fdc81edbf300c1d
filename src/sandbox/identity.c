/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/identity.h"

#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

int identity_begin(struct identity *ret)
{
	bool is_root = geteuid() == 0;

	*ret = (struct identity){ .parent = getppid(), .may_be_own = is_root };
	if (is_root && unshare(NAMESPACES) == 0) {
		ret->own_ns = true;
		return 0;
	}
	/* Also a root that lacks privileges, in a container. */
	if (unshare(CLONE_NEWUSER | NAMESPACES) < 0)
		return -errno;
	ret->own_ns = true;
	ret->may_be_own = false;
	return 0;
}

/* Needs a privilege itself; without that there is none to bound. */
static void bound_capabilities(uint64_t keep)
{
	for (int cap = 0; cap < 64; cap++) {
		if (!(keep & UINT64_C(1) << cap) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			break;
	}
}

int identity_drop_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	uint32_t held = 0;

	bound_capabilities(keep);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (unsigned i = 0; i < 2; i++) {
		uint32_t kept = (uint32_t)(keep >> 32 * i);

		held |= (data[i].permitted & ~kept) | (data[i].effective & ~kept) |
			data[i].inheritable;
		data[i].permitted &= kept;
		data[i].effective &= kept;
		data[i].inheritable = 0;
	}
	/* A service that has none may not be let to drop any. */
	return held && syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/*
 * EINVAL: this container has no such uid; EPERM: it, or who started us, lets nobody change it, or give
 * groups up.  The process then is a root without privileges.
 */
static int become_own(void)
{
	uid_t own = SANDBOX_FIRST_UID + (uid_t)getpid();

	if (setgroups(0, NULL) < 0 || setresgid(own, own, own) < 0 || setresuid(own, own, own) < 0)
		return errno == EINVAL || errno == EPERM ? 0 : -errno;
	return 0;
}

/* A change of what a process is allowed takes this away. */
static int die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (getppid() != parent)
		_exit(1); /* it died meanwhile */
	return 0;
}

static int first_of(int r, int next)
{
	return r < 0 ? r : next;
}

int identity_drop(const struct identity *identity)
{
	int r = 0;

	/* Privileged in the one way or in the other. */
	if ((identity->own_ns || identity->may_be_own) && (chroot(".") < 0 || chdir("/") < 0))
		r = -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = first_of(r, -errno);
	/* As long as it can be done. */
	bound_capabilities(0);
	if (identity->may_be_own)
		r = first_of(r, become_own());
	r = first_of(r, identity_drop_capabilities(0));
	return first_of(r, die_with(identity->parent));
}
