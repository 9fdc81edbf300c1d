/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracing and the log, as clients of Triton ask for them: nothing is traced, and a guest changes nothing
 * of the host's log.  To set one to what it is already is no change, and is done.
 */
#ifndef PROTOCOL_OIP_SETTINGS_H
#define PROTOCOL_OIP_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "wire/frame.h"

enum oip_setting_kind {
	OIP_SETTING_STRING,
	OIP_SETTING_BOOL,
	OIP_SETTING_NUMBER,
};

struct oip_setting {
	const char *key;
	enum oip_setting_kind kind;
	const char *string; /* of tracing all are strings */
	uint32_t number;    /* also of a bool */
};

#define OIP_SETTINGS_MAX 6u

struct oip_settings {
	bool is_trace; /* or of the log */
	unsigned n;
	struct oip_setting list[OIP_SETTINGS_MAX];
};

void oip_trace_settings(struct oip_settings *ret);
/* Of a log that tells of what is at most this level. */
void oip_log_settings(enum tsk_log_level level, struct oip_settings *ret);

/*
 * What a client wants a setting to be, by JSON as by protobuf.  Its key has OIP_KEY_MAX bytes at most, as a
 * parameter's; levels to trace, of which Triton has three, may be so many, said again and again.
 */
#define OIP_SETTING_VALUES_MAX 16u

struct oip_setting_value {
	enum oip_setting_kind kind;
	struct wire_string string;
	uint64_t number;
};

/*
 * value NULL: whatever it is by default.  UNSUPPORTED, by name, for what is not so; INVALID_ARGUMENT for
 * what is no setting.
 */
int oip_setting_check(const struct oip_settings *settings, struct wire_string key,
		      const struct oip_setting_value *value, struct tensock_error *reterr)
	_nodiscard_;

#endif
