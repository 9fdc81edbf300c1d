/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/sealing.h"

#include <assert.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/status.h"
#include "channel/front_control.h"
#include "sandbox/feature.h"
#include "sandbox/filter.h"
#include "sandbox/identity.h"

/* What is done with each as root, by this process or by the children that it starts. */
static const struct {
	int capability;
	const char *why;
} kept[] = {
	{ CAP_CHOWN, "cgroups and sockets of guests" },
	{ CAP_DAC_OVERRIDE, "sockets in folders of VMMs' users" },
	{ CAP_FOWNER, "their modes" },
	{ CAP_KILL, "children with uids of their own" },
	{ CAP_SETGID, "children: theirs" },
	{ CAP_SETUID, "the same" },
	{ CAP_SETPCAP, "children: to bound what they may get" },
	{ CAP_NET_BIND_SERVICE, "low ports of TCP and vsock" },
	{ CAP_SYS_CHROOT, "children: an empty root" },
	{ CAP_SYS_ADMIN, "children: namespaces; cgroups" },
	{ CAP_SYS_NICE, "a guest's larger share of the processors" },
	{ CAP_SYS_RESOURCE, "limits of children" },
};

static_assert(FRONT_MAY_LACK_MAX == SANDBOX_ALL, "fronts know other features");

static int refuse(enum sandbox_feature feature, struct tensock_error *reterr)
{
	char name[SANDBOX_TEXT_SIZE];

	sandbox_features_text(feature, name);
	return tsk_fail(reterr, TENSOCK_UNAVAILABLE,
			"guests cannot be kept apart here: no %s; %s; or start with "
			"--allow-unsandboxed=%s",
			name, sandbox_feature_advice(feature), name);
}

int sealing_check(unsigned may_lack, struct tensock_error *reterr)
{
	unsigned missing = SANDBOX_SANITIZED ? 0 : sandbox_missing();
	char names[SANDBOX_TEXT_SIZE];

	for (unsigned i = 0; i < SANDBOX_FEATURES; i++) {
		if (missing & ~may_lack & 1u << i)
			return refuse((enum sandbox_feature)(1u << i), reterr);
	}
	if (missing) {
		sandbox_features_text(missing, names);
		tsk_warning(
			"fronts and workers are sealed without %s, as --allow-unsandboxed has it: a "
			"guest that breaks out of one is held by less",
			names);
	}
	return 0;
}

int sealing_drop(struct tensock_error *reterr)
{
	uint64_t keep = 0;
	int r;

	for (unsigned i = 0; i < ARRAY_SIZE(kept); i++)
		keep |= UINT64_C(1) << kept[i].capability;
	r = identity_drop_capabilities(keep);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	return r == 0 ? 0
		      : tsk_fail(reterr, TENSOCK_INTERNAL, "privileges cannot be given up: %s",
				 strerror(-r));
}
