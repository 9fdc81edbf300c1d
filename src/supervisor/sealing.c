/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/sealing.h"

#include "base/log.h"
#include "base/status.h"
#include "sandbox/feature.h"
#include "sandbox/filter.h"

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
