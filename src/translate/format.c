/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "translate/mindir/mindir.h"
#include "translate/ms/ms.h"
#include "translate/translate.h"

/*
 * ONNX has no magic number: a protobuf that begins with one of ModelProto's fields.  Those of number 1
 * and 5 are numbers, which tells it from MindIR, whose first is a text.
 */
static bool looks_like_onnx(const void *bytes, size_t n_bytes)
{
	const unsigned char *p = bytes;
	unsigned field, wire;
	bool is_number;

	if (n_bytes < 2)
		return false;
	field = p[0] >> 3;
	wire = p[0] & 7;
	is_number = field == 1 || field == 5;
	return is_number ? wire == 0 : field >= 2 && field <= 25 && wire == 2;
}

enum model_format model_format(const void *bytes, size_t n_bytes)
{
	if (ms_probe(bytes, n_bytes))
		return MODEL_FORMAT_MS;
	if (mindir_probe(bytes, n_bytes))
		return MODEL_FORMAT_MINDIR;
	return looks_like_onnx(bytes, n_bytes) ? MODEL_FORMAT_ONNX : MODEL_FORMAT_UNKNOWN;
}

const char *model_format_name(enum model_format format)
{
	static const char *const names[MODEL_FORMAT_MAX] = {
		[MODEL_FORMAT_ONNX] = "onnx",
		[MODEL_FORMAT_MINDIR] = "mindir",
		[MODEL_FORMAT_MS] = "ms",
	};

	return (size_t)format < ARRAY_SIZE(names) ? names[format] : NULL;
}
