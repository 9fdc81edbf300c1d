/* SPDX-License-Identifier: Apache-2.0 */
/* Which models the guest may run: any, or those that the supervisor has listed by their SHA-256. */
#ifndef FRONT_PERMITTED_H
#define FRONT_PERMITTED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/memfd.h"
#include "front/model_file.h"

struct permitted {
	uint32_t n;          /* models in the list; 0: any model is permitted */
	struct tsk_map list; /* empty until it has come: then none is permitted */
};

/* n: as FRONT_START has it. */
void permitted_init(struct permitted *permitted, uint32_t n);
void permitted_done(struct permitted *permitted);

/*
 * The list, as FRONT_MODELS has it: fd stays the caller's.  -EPROTO where it is not what FRONT_START
 * has announced, or has come already.
 */
int permitted_take(struct permitted *permitted, int fd) _nodiscard_;

bool permitted_has(const struct permitted *permitted, const unsigned char hash[MODEL_HASH_BYTES]);

#endif
