/* SPDX-License-Identifier: Apache-2.0 */
/* The names of files in a guest's folder (store/files.h). */
#ifndef STORE_NAMES_H
#define STORE_NAMES_H

#include "channel/store_control.h"

#define NAMES_LABELS "labels"
#define NAMES_NEW_PREFIX ".new-"
#define NAMES_PROBE NAMES_NEW_PREFIX "probe" /* in the store's own folder: no guest's name */
#define NAMES_SIZE 80u

enum names_kind {
	NAMES_MODEL,
	NAMES_PART,
	NAMES_LABELS_FILE,
	NAMES_NEW,
	NAMES_OTHER
};

void names_of_model(const unsigned char hash[STORE_HASH_BYTES], char ret[NAMES_SIZE]);
void names_of_part(const unsigned char hash[STORE_HASH_BYTES], char ret[NAMES_SIZE]);

/* Of MODEL and PART also the hash. */
enum names_kind names_read(const char *name, unsigned char ret_hash[STORE_HASH_BYTES]);

#endif
