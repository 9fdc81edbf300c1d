/* SPDX-License-Identifier: Apache-2.0 */
#include "store/names.h"

#include <assert.h>
#include <string.h>

#include "base/hex.h"

#define PART_SUFFIX ".part"
#define HEX_CHARS ((size_t)STORE_HASH_BYTES * 2)

static_assert(HEX_CHARS + sizeof(NAMES_NEW_PREFIX PART_SUFFIX) <= NAMES_SIZE, "a name is cut");

void names_of_model(const unsigned char hash[STORE_HASH_BYTES], char ret[NAMES_SIZE])
{
	*tsk_hex_write(ret, hash, STORE_HASH_BYTES) = '\0';
}

void names_of_part(const unsigned char hash[STORE_HASH_BYTES], char ret[NAMES_SIZE])
{
	names_of_model(hash, ret);
	memcpy(ret + HEX_CHARS, PART_SUFFIX, sizeof(PART_SUFFIX));
}

enum names_kind names_read(const char *name, unsigned char ret_hash[STORE_HASH_BYTES])
{
	if (strcmp(name, NAMES_LABELS) == 0)
		return NAMES_LABELS_FILE;
	if (strncmp(name, NAMES_NEW_PREFIX, strlen(NAMES_NEW_PREFIX)) == 0)
		return NAMES_NEW;
	if (strlen(name) < HEX_CHARS || !tsk_hex_read_lower(name, STORE_HASH_BYTES, ret_hash))
		return NAMES_OTHER;
	if (!name[HEX_CHARS])
		return NAMES_MODEL;
	return strcmp(name + HEX_CHARS, PART_SUFFIX) == 0 ? NAMES_PART : NAMES_OTHER;
}
