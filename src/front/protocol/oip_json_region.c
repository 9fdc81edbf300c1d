/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/oip_json_region.h"

#include "base/status.h"
#include "front/protocol/json_document.h"

static int read_fields(struct oip_json_region *region, struct tensock_error *reterr)
{
	yyjson_val *key, *offset, *bytes;
	const struct json_field fields[] = {
		{ "key", &key },
		{ "offset", &offset },
		{ "byte_size", &bytes },
	};
	int r = json_get_fields(region->document->root, "the request", fields, ARRAY_SIZE(fields),
				reterr);

	if (r == 0)
		r = json_get_string(key, "'key'", OIP_REGION_NAME_MAX, &region->key, reterr);
	if (r == 0 && offset)
		r = json_get_uint(offset, "'offset'", &region->offset, reterr);
	return r == 0 ? json_get_uint(bytes, "'byte_size'", &region->bytes, reterr) : r;
}

int oip_json_region_read(const char *text, size_t n, struct oip_json_region *ret,
			 struct tensock_error *reterr)
{
	struct oip_json_region region = { .document = calloc(1, sizeof(*region.document)) };
	int r;

	if (!region.document)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the request");
	r = json_document_read(text, n, region.document, reterr);
	if (r == 0)
		r = read_fields(&region, reterr);
	if (r < 0)
		oip_json_region_done(&region);
	else
		*ret = region;
	return r;
}

void oip_json_region_done(struct oip_json_region *region)
{
	if (!region->document)
		return;
	json_document_done(region->document);
	free(region->document);
	*region = (struct oip_json_region){ 0 };
}

void oip_json_regions_begin(struct json_text *text)
{
	json_text_open(text, '[');
}

void oip_json_regions_add(struct json_text *text, const struct oip_region_view *region)
{
	json_text_open(text, '{');
	json_text_key(text, "name");
	json_text_string(text, region->name);
	json_text_key(text, "key");
	json_text_string(text, region->key);
	json_text_key(text, "offset");
	json_text_uint(text, region->offset);
	json_text_key(text, "byte_size");
	json_text_uint(text, region->bytes);
	json_text_close(text, '}');
}

int oip_json_regions_end(struct json_text *text, struct oip_json *ret)
{
	json_text_close(text, ']');
	return json_text_take(text, &ret->bytes, &ret->n);
}
