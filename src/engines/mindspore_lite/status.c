/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/mindspore_lite/mslite.h"

#include <stdarg.h>
#include <stdio.h>

uint32_t mslite_fail(struct tensock_error *reterr, uint32_t status, const char *fmt, ...)
{
	va_list args;

	if (reterr) {
		reterr->status = status;
		va_start(args, fmt);
		vsnprintf(reterr->message, sizeof(reterr->message), fmt, args);
		va_end(args);
	}
	return status;
}

/* Lite's errors are 0xf0000000 with the low 28 bits of -n. */
static const struct {
	int n;
	uint32_t status;
	const char *text;
} errors[] = {
	{ 1, TENSOCK_ENGINE_FAILED, "the library failed" },
	{ 2, TENSOCK_ENGINE_FAILED, "the library met a null pointer" },
	{ 3, TENSOCK_INVALID_ARGUMENT, "a parameter does not fit" },
	{ 6, TENSOCK_OUT_OF_MEMORY, "not enough memory" },
	{ 7, TENSOCK_UNSUPPORTED, "this build of the library does not support it" },
	{ 8, TENSOCK_ENGINE_FAILED, "its threads cannot be started" },
	{ 100, TENSOCK_ENGINE_FAILED, "a tensor is out of range" },
	{ 101, TENSOCK_INVALID_ARGUMENT, "an input does not fit" },
	{ 102, TENSOCK_ENGINE_FAILED, "it is at work already" },
	{ 200, TENSOCK_INVALID_MODEL,
	  "the file is damaged, or of a version that the library does not read" },
	{ 300, TENSOCK_UNSUPPORTED, "the library lacks an operator of the model" },
	{ 301, TENSOCK_INVALID_MODEL, "an operator's parameters are wrong" },
	{ 302, TENSOCK_ENGINE_FAILED, "an operator is missing" },
	{ 303, TENSOCK_ENGINE_FAILED, "an operator failed" },
	{ 400, TENSOCK_UNSUPPORTED, "a tensor's layout is not supported" },
	{ 500, TENSOCK_INVALID_ARGUMENT, "the shapes do not go together" },
	{ 501, TENSOCK_INVALID_ARGUMENT, "a shape cannot be told before the run" },
};

uint32_t mslite_check(uint32_t code, const char *what, struct tensock_error *reterr)
{
	if (code == MSLITE_OK)
		return TENSOCK_OK;
	for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		uint32_t low = (uint32_t)-errors[i].n & UINT32_C(0x0fffffff);

		if (code == (UINT32_C(0xf0000000) | low))
			return mslite_fail(reterr, errors[i].status, "%s: %s (error -%d)", what,
					   errors[i].text, errors[i].n);
	}
	return mslite_fail(reterr, TENSOCK_ENGINE_FAILED, "%s: the library failed (error 0x%x)",
			   what, code);
}
