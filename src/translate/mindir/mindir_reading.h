/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the .mindir reader share: the arena, the counts, the first failure. */
#ifndef TRANSLATE_MINDIR_MINDIR_READING_H
#define TRANSLATE_MINDIR_MINDIR_READING_H

#include "base/protowire.h"
#include "translate/mindir/mindir_file.h"

struct mindir_reading {
	struct tsk_arena *arena;
	size_t n_values; /* of MINDIR_VALUES_MAX */
	int error;       /* the first one's */
	struct tensock_error *reterr;
};

/* Fails the reading; only the first failure is told. */
void mindir_reading_fail(struct mindir_reading *reading, enum tensock_status status,
			 const char *fmt, ...) _printf_(3, 4);

/* Room for n things, zeroed; NULL, and failed, where they are too many or memory is. */
void *mindir_reading_take(struct mindir_reading *reading, size_t n, size_t n_max, size_t bytes,
			  const char *what);

struct onnx_text mindir_read_text(struct tsk_reader *wire, const struct proto_field *field);

/* mindir_tensor.c; is_weight: it has to have bytes */
void mindir_read_tensor(struct mindir_reading *reading, struct tsk_reader wire, bool is_weight,
			struct mindir_tensor *ret);

/* mindir_attribute.c */
void mindir_read_attribute(struct mindir_reading *reading, struct tsk_reader wire, unsigned depth,
			   struct mindir_attribute *ret);

/* All fields of that number, as attributes. */
void mindir_read_attributes(struct mindir_reading *reading, struct tsk_reader wire, uint32_t number,
			    struct mindir_attributes *ret);

#endif
