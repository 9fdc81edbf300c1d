/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/seal.h"

#include <string.h>

#include "base/status.h"
#include "sandbox/landlock.h"

/* 0 for a success, and for what may be lacking. */
static int judge(const struct seal *seal, enum sandbox_feature feature, int r,
		 struct tensock_error *reterr)
{
	char name[SANDBOX_TEXT_SIZE];

	if (r >= 0 || seal->may_lack & feature)
		return 0;
	sandbox_features_text(feature, name);
	return tsk_fail(reterr, TENSOCK_INTERNAL, "the process cannot be sealed (%s): %s", name,
			strerror(-r));
}

int seal_begin(struct seal *seal, unsigned may_lack, struct tensock_error *reterr)
{
	*seal = (struct seal){ .may_lack = may_lack };
	if (SANDBOX_SANITIZED)
		return 0;
	return judge(seal, SANDBOX_NAMESPACES, identity_begin(&seal->identity), reterr);
}

int seal_files(const struct seal *seal, struct tensock_error *reterr)
{
	int r;

	if (SANDBOX_SANITIZED)
		return 0;
	r = judge(seal, SANDBOX_NAMESPACES, identity_drop(&seal->identity), reterr);
	return r < 0 ? r : judge(seal, SANDBOX_LANDLOCK, landlock_deny_all(), reterr);
}

int seal_calls(const struct seal *seal, const struct filter *filter, struct tensock_error *reterr)
{
	if (SANDBOX_SANITIZED)
		return 0;
	return judge(seal, SANDBOX_SECCOMP, filter_install(filter), reterr);
}
