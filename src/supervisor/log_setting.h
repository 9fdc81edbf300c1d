/* SPDX-License-Identifier: Apache-2.0 */
/* How is logged: "log-format" and "access-log" of [daemon]. */
#ifndef SUPERVISOR_LOG_SETTING_H
#define SUPERVISOR_LOG_SETTING_H

#include <tensock/types.h>

#include "base/cleanup.h"

struct log_setting {
	int is_json, has_access; /* 1, 0, or -1: not given, which is no */
};

/* 1, or 0 where the key is none of these, or -errno. */
int log_setting_set(struct log_setting *setting, const char *key, const char *value,
		    struct tensock_error *reterr) _nodiscard_;

/* TSK_LOG_JSON, TSK_LOG_ACCESS */
unsigned log_setting_bits(const struct log_setting *setting);

#endif
