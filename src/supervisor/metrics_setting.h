/* SPDX-License-Identifier: Apache-2.0 */
/* Where operators' programs fetch metrics: "metrics" of [daemon]. */
#ifndef SUPERVISOR_METRICS_SETTING_H
#define SUPERVISOR_METRICS_SETTING_H

#include <stdbool.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "supervisor/address.h"

struct metrics_setting {
	bool is_on;
	struct address address; /* UNIX, or TCP on loopback */
};

/* 1, or 0 where the key is none of these, or -errno. */
int metrics_setting_set(struct metrics_setting *setting, const char *key, const char *value,
			struct tensock_error *reterr) _nodiscard_;

bool metrics_setting_equals(const struct metrics_setting *a, const struct metrics_setting *b);

#endif
