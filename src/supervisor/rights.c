/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/rights.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/memfd.h"
#include "base/status.h"
#include "supervisor/quantity.h"
#include "supervisor/setting.h"

static int add_engine(struct rights *rights, const char *word, size_t len,
		      struct tensock_error *reterr)
{
	if (len >= sizeof(rights->engines[0]))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "engines: '%.80s' is too long",
				word);
	if (rights->n_engines == ENGINES_MAX)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "engines: there are more than %u",
				ENGINES_MAX);
	snprintf(rights->engines[rights->n_engines++], sizeof(rights->engines[0]), "%.*s", (int)len,
		 word);
	return 0;
}

static int add_model(struct rights *rights, const char *word, size_t len,
		     struct tensock_error *reterr)
{
	bool is_any = len == 3 && memcmp(word, "any", 3) == 0;

	if (rights->any_model || (is_any && rights->n_models))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"models cannot be any and a list at once");
	if (is_any) {
		rights->any_model = true;
		return 0;
	}
	if (rights->n_models == RIGHTS_MODELS_MAX)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"models: there are more than %u; use any", RIGHTS_MODELS_MAX);
	if (len != 2 * (size_t)RIGHTS_HASH_BYTES ||
	    !tsk_hex_read(word, RIGHTS_HASH_BYTES, rights->models[rights->n_models]))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"models: '%.*s' is no SHA-256; write its 64 digits, as `sha256sum` "
				"prints them, or any",
				len < 80 ? (int)len : 80, word);
	rights->n_models++;
	return 0;
}

static int add_uid(struct rights *rights, const char *word, size_t len,
		   struct tensock_error *reterr)
{
	char text[16];
	uint64_t uid;

	if (rights->n_uids == RIGHTS_UIDS_MAX)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"shared-memory: there are more than %u users", RIGHTS_UIDS_MAX);
	snprintf(text, sizeof(text), "%.*s", len < sizeof(text) ? (int)len : 15, word);
	/* -1 is what the kernel calls nobody at all. */
	if (len >= sizeof(text) || quantity_number(text, 0, UINT32_MAX - 1, &uid) < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"shared-memory: '%.*s' is no number of a user; write no, or the "
				"numbers of those whose regions the guest may use (`id -u`)",
				len < 80 ? (int)len : 80, word);
	rights->uids[rights->n_uids++] = (uint32_t)uid;
	return 0;
}

static int set_regions(struct rights *rights, const char *value, struct tensock_error *reterr)
{
	const char *word;
	size_t len;
	int r = 0;

	if (rights->regions_said)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "shared-memory is given twice");
	rights->regions_said = true;
	if (strcmp(value, "no") == 0)
		return 0;
	while (r == 0 && (len = setting_word(&value, &word)) > 0)
		r = add_uid(rights, word, len, reterr);
	if (r == 0 && !rights->n_uids)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "shared-memory has no value");
	return r;
}

static int set_list(struct rights *rights, bool is_engines, const char *key, const char *value,
		    struct tensock_error *reterr)
{
	const char *word;
	unsigned n = 0;
	size_t len;
	int r = 0;

	if (is_engines && rights->n_engines)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%s is given twice", key);
	for (; r == 0 && (len = setting_word(&value, &word)) > 0; n++)
		r = is_engines ? add_engine(rights, word, len, reterr)
			       : add_model(rights, word, len, reterr);
	if (r == 0 && n == 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%s has no value", key);
	return r;
}

int rights_set(struct rights *rights, const char *key, const char *value,
	       struct tensock_error *reterr)
{
	if (strcmp(key, "shared-memory") == 0)
		return set_regions(rights, value, reterr);
	if (strcmp(key, "engines") == 0)
		return set_list(rights, true, key, value, reterr);
	if (strcmp(key, "models") == 0)
		return set_list(rights, false, key, value, reterr);
	return 1;
}

void rights_default(struct rights *rights, const struct rights *others)
{
	if (!rights->n_engines) {
		memcpy(rights->engines, others->engines, sizeof(rights->engines));
		rights->n_engines = others->n_engines;
	}
	if (!rights->n_models && !rights->any_model) {
		memcpy(rights->models, others->models, sizeof(rights->models));
		rights->n_models = others->n_models;
		rights->any_model = others->any_model;
	}
	if (!rights->regions_said) {
		memcpy(rights->uids, others->uids, sizeof(rights->uids));
		rights->n_uids = others->n_uids;
	}
}

bool rights_has_region_of(const struct rights *rights, uint32_t uid)
{
	for (unsigned i = 0; i < rights->n_uids; i++) {
		if (rights->uids[i] == uid)
			return true;
	}
	return false;
}

int rights_check(const struct rights *rights, const struct engines *engines,
		 struct tensock_error *reterr)
{
	for (unsigned i = 0; i < rights->n_engines; i++) {
		if (!engines_find(engines, rights->engines[i]))
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"engines: there is no engine %s, or it is not on",
					rights->engines[i]);
	}
	return 0;
}

bool rights_has_engine(const struct rights *rights, const char *name)
{
	for (unsigned i = 0; i < rights->n_engines; i++) {
		if (strcmp(rights->engines[i], name) == 0)
			return true;
	}
	return !rights->n_engines;
}

int rights_models_fd(const struct rights *rights, int *ret_fd)
{
	size_t bytes = (size_t)rights->n_models * RIGHTS_HASH_BYTES;
	_cleanup_close_ int fd = -1;
	struct tsk_map map;
	int r = tsk_memfd_new("tensock-permitted", bytes, &fd);

	if (r == 0)
		r = tsk_map_new(fd, bytes, true, &map);
	if (r < 0)
		return r;
	memcpy(map.addr, rights->models, bytes);
	tsk_map_done(&map);
	r = tsk_memfd_freeze(fd);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}
