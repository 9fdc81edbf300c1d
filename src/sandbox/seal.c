/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/seal.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/status.h"
#include "sandbox/landlock.h"

/* 0 for a success, and for what may be lacking. */
static int judge(enum sandbox_feature feature, int r, unsigned may_lack,
		 struct tensock_error *reterr)
{
	char name[SANDBOX_TEXT_SIZE];

	if (r >= 0 || may_lack & feature)
		return 0;
	sandbox_features_text(feature, name);
	return tsk_fail(reterr, TENSOCK_INTERNAL, "the process cannot be sealed (%s): %s", name,
			strerror(-r));
}

void seal_begin(struct seal *seal)
{
	*seal = (struct seal){ 0 };
	if (!SANDBOX_SANITIZED)
		seal->begun = identity_begin(&seal->identity);
}

int seal_files(const struct seal *seal, unsigned may_lack, struct tensock_error *reterr)
{
	int r;

	if (SANDBOX_SANITIZED)
		return 0;
	r = judge(SANDBOX_NAMESPACES, seal->begun, may_lack, reterr);
	if (r == 0)
		r = judge(SANDBOX_NAMESPACES, identity_drop(&seal->identity), may_lack, reterr);
	return r < 0 ? r : judge(SANDBOX_LANDLOCK, landlock_deny_all(), may_lack, reterr);
}

int seal_files_but(int folder_fd, unsigned may_lack, struct tensock_error *reterr)
{
	int r;

	if (SANDBOX_SANITIZED)
		return 0;
	r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : identity_drop_capabilities(0);
	if (r < 0)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "privileges cannot be given up: %s",
				strerror(-r));
	return judge(SANDBOX_LANDLOCK, landlock_only(folder_fd), may_lack, reterr);
}

int seal_build(const struct filter_call *list, unsigned n, unsigned may_lack, struct filter *ret)
{
	int r = SANDBOX_SANITIZED ? 0 : filter_build(list, n, ret);

	return may_lack & SANDBOX_SECCOMP ? 0 : r;
}

int seal_calls(const struct filter *filter, unsigned may_lack, struct tensock_error *reterr)
{
	if (SANDBOX_SANITIZED)
		return 0;
	return judge(SANDBOX_SECCOMP, filter_install(filter), may_lack, reterr);
}

int seal_limit(int resource, uint64_t most)
{
	struct rlimit limit;

	if (getrlimit((unsigned)resource, &limit) < 0)
		return -errno;
	if (limit.rlim_max > most)
		limit.rlim_max = most;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit((unsigned)resource, &limit) < 0 ? -errno : 0;
}

int seal_alone(const struct seal *seal, const struct filter_call *list, unsigned n,
	       unsigned may_lack, struct tensock_error *reterr)
{
	struct filter filter = { 0 };
	int r = seal_build(list, n, may_lack, &filter);

	/* Counted by uid: where that is shared, it is others' affair. */
	if (r == 0 && seal->identity.own_ns)
		r = seal_limit(RLIMIT_NPROC, 1);
	if (r < 0)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "the process cannot be sealed: %s",
				strerror(-r));
	r = seal_files(seal, may_lack, reterr);
	if (r == 0)
		r = seal_calls(&filter, may_lack, reterr);
	filter_done(&filter);
	return r;
}
