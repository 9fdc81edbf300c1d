/* SPDX-License-Identifier: Apache-2.0 */
#include "store/names.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define PART_SUFFIX ".part"
#define HEX_CHARS ((size_t)STORE_HASH_BYTES * 2)

static_assert(HEX_CHARS + sizeof(NAMES_NEW_PREFIX PART_SUFFIX) <= NAMES_SIZE, "a name is cut");

void names_of_model(const unsigned char hash[STORE_HASH_BYTES], char ret[NAMES_SIZE])
{
	for (unsigned i = 0; i < STORE_HASH_BYTES; i++)
		snprintf(ret + (size_t)i * 2, 3, "%02x", hash[i]);
}

void names_of_part(const unsigned char hash[STORE_HASH_BYTES], char ret[NAMES_SIZE])
{
	names_of_model(hash, ret);
	memcpy(ret + HEX_CHARS, PART_SUFFIX, sizeof(PART_SUFFIX));
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hash(const char *name, unsigned char ret[STORE_HASH_BYTES])
{
	if (strlen(name) < HEX_CHARS)
		return false;
	for (unsigned i = 0; i < STORE_HASH_BYTES; i++) {
		int high = digit(name[i * 2]), low = digit(name[i * 2 + 1]);

		if (high < 0 || low < 0)
			return false;
		ret[i] = (unsigned char)(high * 16 + low);
	}
	return true;
}

enum names_kind names_read(const char *name, unsigned char ret_hash[STORE_HASH_BYTES])
{
	if (strcmp(name, NAMES_LABELS) == 0)
		return NAMES_LABELS_FILE;
	if (strncmp(name, NAMES_NEW_PREFIX, strlen(NAMES_NEW_PREFIX)) == 0)
		return NAMES_NEW;
	if (!read_hash(name, ret_hash))
		return NAMES_OTHER;
	if (!name[HEX_CHARS])
		return NAMES_MODEL;
	return strcmp(name + HEX_CHARS, PART_SUFFIX) == 0 ? NAMES_PART : NAMES_OTHER;
}
