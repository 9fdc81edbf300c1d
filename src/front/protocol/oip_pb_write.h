/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A protobuf message as it is written, into memory that grows.  Failure (no memory) is sticky: write all,
 * then ask pb_writer_end().  Numbers that are 0, and empty texts, are left out, as protobuf has it; but
 * not by pb_list_..., for what stands in a list or is a choice.
 */
#ifndef PROTOCOL_OIP_PB_WRITE_H
#define PROTOCOL_OIP_PB_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "front/protocol/oip_pb.h"

struct pb_writer {
	unsigned char *bytes;
	size_t n, room;
	bool is_failed;
};

void pb_writer_init(struct pb_writer *w);

/* What has been written, the caller's.  -ENOMEM. */
int pb_writer_end(struct pb_writer *w, struct oip_pb *ret) _nodiscard_;

void pb_number(struct pb_writer *w, uint32_t field, uint64_t v);
void pb_list_number(struct pb_writer *w, uint32_t field, uint64_t v);
void pb_bytes(struct pb_writer *w, uint32_t field, const void *bytes, size_t n);
void pb_list_bytes(struct pb_writer *w, uint32_t field, const void *bytes, size_t n);

/* Bytes that are not UTF-8 become '?': a client would refuse the whole message. */
void pb_string(struct pb_writer *w, uint32_t field, struct wire_string string);
void pb_text(struct pb_writer *w, uint32_t field, const char *text);
void pb_list_text(struct pb_writer *w, uint32_t field, const char *text);

/* A repeated int64. */
void pb_dims(struct pb_writer *w, uint32_t field, const int64_t *dims, uint32_t rank);

/* A message within: what is written between the two is in it.  begin() gives what end() takes. */
size_t pb_message_begin(struct pb_writer *w, uint32_t field);
void pb_message_end(struct pb_writer *w, size_t begun);

#endif
