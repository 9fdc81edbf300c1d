/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in at the control socket, and at the program that asks there. */
#include "wire/operator.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is written as it came: nothing in a message goes unread. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char bytes[OPERATOR_ANSWER_BYTES > OPERATOR_REQUEST_BYTES
				    ? OPERATOR_ANSWER_BYTES
				    : OPERATOR_REQUEST_BYTES];
	struct operator_request request;
	struct operator_answer answer;

	if (operator_request_read(data, size, &request) == 0) {
		if (operator_request_write(&request, bytes) < 0 || size != OPERATOR_REQUEST_BYTES ||
		    memcmp(bytes, data, size) != 0)
			abort();
	}
	if (operator_answer_read(data, size, &answer) == 0) {
		if (operator_answer_write(&answer, bytes) < 0 || size != OPERATOR_ANSWER_BYTES ||
		    memcmp(bytes, data, size) != 0)
			abort();
	}
	return 0;
}
