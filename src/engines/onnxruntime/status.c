/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/onnxruntime/ort.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

uint32_t ort_fail(struct tensock_error *reterr, uint32_t status, const char *fmt, ...)
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

/* Texts that say more than the code they come with: most failures have the code FAIL. */
static const struct {
	const char *text;
	uint32_t status;
} texts[] = {
	{ "bad_alloc", TENSOCK_OUT_OF_MEMORY },
	{ "Failed to allocate memory", TENSOCK_OUT_OF_MEMORY },
	{ "terminate flag", TENSOCK_CANCELLED },
	{ "is not a registered function/op", TENSOCK_UNSUPPORTED },
	{ "No Op registered for", TENSOCK_UNSUPPORTED },
	{ "Could not find an implementation", TENSOCK_UNSUPPORTED },
	{ "Unsupported model IR version", TENSOCK_UNSUPPORTED },
	{ "is under development and support for this is limited", TENSOCK_UNSUPPORTED },
	{ "not supported", TENSOCK_UNSUPPORTED },
	{ "Failed to construct locale", TENSOCK_UNSUPPORTED },
};

static uint32_t translate(OrtErrorCode code, const char *text)
{
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (strstr(text, texts[i].text))
			return texts[i].status;
	}
	switch (code) {
	case ORT_INVALID_ARGUMENT:
		return TENSOCK_INVALID_ARGUMENT;
	case ORT_NOT_IMPLEMENTED:
		return TENSOCK_UNSUPPORTED;
	case ORT_NO_MODEL:
	case ORT_INVALID_PROTOBUF:
	case ORT_INVALID_GRAPH:
		return TENSOCK_INVALID_MODEL;
	default:
		return TENSOCK_ENGINE_FAILED;
	}
}

/* Behind the bracket that closes the one at p; the end of the text where none does. */
static const char *skip_brackets(const char *p)
{
	int depth = 0;

	for (; *p; p++) {
		depth += (*p == '(') - (*p == ')') + (*p == '[') - (*p == ']');
		if (depth == 0)
			return p + 1;
	}
	return p;
}

/*
 * Many texts hold "/onnxruntime_src/FILE:LINE FUNCTION(ARGUMENTS) " in their middle, longer than what
 * they have to say.  Returns what stands behind it, and in *ret_before how much before; the whole
 * text where there is no such thing.
 */
static const char *behind_location(const char *text, int *ret_before)
{
	const char *location = strstr(text, "/onnxruntime_src/");
	const char *p = location ? strchr(location, '(') : NULL;

	*ret_before = 0;
	if (!p)
		return text;
	p = skip_brackets(p);
	while (*p && *p != ' ')
		p++;
	if (strncmp(p, " const ", 7) == 0)
		p += 6;
	if (strncmp(p, " [with ", 7) == 0)
		p = skip_brackets(p + 1);
	if (!*p)
		return text;
	*ret_before = (int)(location - text);
	return p + 1;
}

uint32_t ort_check(const struct ort *ort, OrtStatus *status, struct tensock_error *reterr)
{
	const char *text, *rest;
	uint32_t translated;
	int before;

	if (!status)
		return TENSOCK_OK;
	text = ort->api->GetErrorMessage(status);
	rest = behind_location(text, &before);
	translated = ort_fail(reterr, translate(ort->api->GetErrorCode(status), text), "%.*s%s",
			      before, text, rest);
	ort->api->ReleaseStatus(status);
	return translated;
}
