/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for nghttp2, of which there is so much and no more. */
#ifndef PROTOCOL_H2_MEMORY_H
#define PROTOCOL_H2_MEMORY_H

#include <stddef.h>

#include <nghttp2/nghttp2.h>

struct h2_memory {
	size_t used, max; /* in bytes */
};

/* Functions over *memory, which must stay where it is while they are used. */
nghttp2_mem h2_memory_functions(struct h2_memory *memory);

#endif
