/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/onnxruntime/ort.h"

#include <locale.h>
#include <time.h>

/* An ONNX model: y = Identity(x), one float. */
/* clang-format off */
static const unsigned char identity[] =
	"\x08\x08"                                         /* IR version 8 */
	"\x3a\x37"                                         /* the graph: */
	"\x0a\x10\x0a\x01x\x12\x01y\x22\x08" "Identity"    /* node */
	"\x12\x01g"                                        /* name */
	"\x5a\x0f\x0a\x01x\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x01" /* input x */
	"\x62\x0f\x0a\x01y\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x01" /* output y */
	"\x42\x02\x10\x0d";                                /* operator set 13 */
/* clang-format on */

uint32_t ort_load_tiny(struct ort *ort, void **ret_model, struct tensock_error *reterr)
{
	return ort_load(ort, identity, sizeof(identity) - 1, ret_model, reterr);
}

void ort_read_files(void)
{
	/* What StringNormalizer uses unless the model says otherwise. */
	static locale_t kept;

	if (!kept)
		kept = newlocale(LC_ALL_MASK, "en_US.UTF-8", (locale_t)0);
	tzset();
}
