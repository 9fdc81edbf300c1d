/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of shared-memory regions (docs/oip.md): what oip_json.h says of texts holds here, too. */
#ifndef PROTOCOL_OIP_JSON_REGION_H
#define PROTOCOL_OIP_JSON_REGION_H

#include "front/protocol/json_text.h"
#include "front/protocol/oip_json.h"

struct json_document;

/* POST /v2/systemsharedmemory/region/R/register. */
struct oip_json_region {
	struct wire_string key; /* in the document */
	uint64_t offset, bytes;
	struct json_document *document; /* its own */
};
int oip_json_region_read(const char *text, size_t n, struct oip_json_region *ret,
			 struct tensock_error *reterr) _nodiscard_;
void oip_json_region_done(struct oip_json_region *region);

/* GET .../status: of each region in turn, between begin() and end(), which fails with -ENOMEM. */
void oip_json_regions_begin(struct json_text *text);
void oip_json_regions_add(struct json_text *text, const struct oip_region_view *region);
int oip_json_regions_end(struct json_text *text, struct oip_json *ret) _nodiscard_;

#endif
