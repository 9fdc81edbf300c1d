/* SPDX-License-Identifier: Apache-2.0 */
/* What one tensockd leaves to the next. */
#include <string.h>

#include "supervisor/takeover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct takeover takeover = { 0 };

	if (takeover_parse(data, size, &takeover) < 0) {
		if (takeover.list)
			abort(); /* untouched on failure */
		return 0;
	}
	if (!takeover.n || takeover.list[0].type != TAKEOVER_DAEMON)
		abort();
	for (unsigned i = 0; i < takeover.n; i++) {
		const struct takeover_record *record = &takeover.list[i];

		/* What is used without another look. */
		if (record->type == TAKEOVER_DEVICE &&
		    record->device.state_bytes > DEVICE_STATE_MAX)
			abort();
		if (record->type == TAKEOVER_GUEST &&
		    strlen(record->guest.hybrid) >= ADDRESS_PATH_SIZE)
			abort();
	}
	takeover_done(&takeover);
	return 0;
}
