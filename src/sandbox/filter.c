/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/filter.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/*
 * No engine and no library of ours makes these after its start: who does is an attacker, and has
 * nothing to say any more.  Files and sockets are not among them: error paths of engines open
 * some.
 */
static const char *const attacks[] = {
	"execve",
	"execveat",
	"fork",
	"vfork",
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"pidfd_open",
	"pidfd_getfd",
	"pidfd_send_signal",
	"kill",
	"tkill",
	"rt_sigqueueinfo",
	"rt_tgsigqueueinfo",
	"mount",
	"umount2",
	"move_mount",
	"open_tree",
	"fsopen",
	"fsmount",
	"fsconfig",
	"pivot_root",
	"chroot",
	"unshare",
	"setns",
	"setuid",
	"setgid",
	"setreuid",
	"setregid",
	"setresuid",
	"setresgid",
	"setgroups",
	"capset",
	"bpf",
	"perf_event_open",
	"userfaultfd",
	"io_uring_setup",
	"keyctl",
	"add_key",
	"request_key",
	"open_by_handle_at",
	"personality",
	"modify_ldt",
	"iopl",
	"ioperm",
	"init_module",
	"finit_module",
	"delete_module",
	"kexec_load",
	"kexec_file_load",
	"reboot",
	"swapon",
	"swapoff",
	"acct",
	"quotactl",
	"settimeofday",
	"clock_settime",
	"adjtimex",
	"clock_adjtime",
	"sethostname",
	"setdomainname",
};

static int add_attacks(scmp_filter_ctx context)
{
	for (unsigned i = 0; i < ARRAY_SIZE(attacks); i++) {
		int number = seccomp_syscall_resolve_name(attacks[i]);
		int r = number < 0 ? 0
				   : seccomp_rule_add_array(context, SCMP_ACT_KILL_PROCESS, number,
							    0, NULL);

		if (r < 0)
			return r;
	}
	return 0;
}

static int add_call(scmp_filter_ctx context, const struct filter_call *call)
{
	uint32_t action = call->error ? SCMP_ACT_ERRNO((uint32_t)call->error) : SCMP_ACT_ALLOW;
	int number = seccomp_syscall_resolve_name(call->name);
	struct scmp_arg_cmp compare[FILTER_CHECKS_MAX];
	unsigned n = 0;

	if (number < 0)
		return 0;
	for (unsigned i = 0; i < FILTER_CHECKS_MAX; i++) {
		const struct filter_check *check = &call->checks[i];
		uint64_t value = check->value == FILTER_PID ? (uint64_t)getpid() : check->value;

		if (check->mask)
			compare[n++] = (struct scmp_arg_cmp){ .arg = check->arg,
							      .op = SCMP_CMP_MASKED_EQ,
							      .datum_a = check->mask,
							      .datum_b = value };
	}
	return seccomp_rule_add_array(context, action, number, n, compare);
}

/* The library writes to files only. */
static int export_program(scmp_filter_ctx context, struct filter *ret)
{
	_cleanup_close_ int fd = memfd_create("filter", MFD_CLOEXEC);
	_cleanup_free_ void *code = NULL;
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	r = seccomp_export_bpf(context, fd);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!st.st_size || st.st_size > (off_t)(BPF_MAXINSNS * sizeof(struct sock_filter)))
		return -E2BIG;
	code = malloc((size_t)st.st_size);
	if (!code)
		return -ENOMEM;
	if (pread(fd, code, (size_t)st.st_size, 0) != st.st_size)
		return -EIO;
	ret->program.len = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
	ret->program.filter = TAKE_PTR(code);
	return 0;
}

int filter_build(const struct filter_call *calls, unsigned n, struct filter *ret)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(EACCES));
	int r;

	if (!context)
		return -ENOMEM;
	/* Calls of another ABI of this processor would have other numbers. */
	r = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = add_attacks(context);
	for (unsigned i = 0; i < n && r == 0; i++)
		r = add_call(context, &calls[i]);
	if (r == 0)
		r = export_program(context, ret);
	seccomp_release(context);
	return r;
}

void filter_done(struct filter *filter)
{
	free(filter->program.filter);
	*filter = (struct filter){ 0 };
}

int filter_install(const struct filter *filter)
{
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
			 &filter->program);

	return r < 0 ? -errno : r > 0 ? -ESRCH : 0;
}
