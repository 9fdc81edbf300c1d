/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What readers of the protocol's messages share.  Fields are read in place (base/protowire.h): no
 * memory is taken for what a peer merely says is there.  Of a field that may stand once the last one
 * counts, and messages that stand twice are one, as protobuf has it.  Unknown fields are skipped; a
 * known one of another type than its own makes the message bad.
 */
#ifndef PROTOCOL_OIP_PB_READ_H
#define PROTOCOL_OIP_PB_READ_H

#include <stddef.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "base/protowire.h"
#include "base/status.h"
#include "front/protocol/oip.h"

/* The message called that is bad, or one that is in it. */
static inline int oip_pb_malformed(const char *message, struct tensock_error *reterr)
{
	return tsk_fail(
		reterr, TENSOCK_INVALID_ARGUMENT,
		"the bytes are no %s: they end within a field, or a field is not of its type",
		message);
}

/* A field that is a string, as oip_string().  Of another type: 0, and the message is bad. */
static inline int oip_pb_string(struct tsk_reader *message, const struct proto_field *field,
				size_t max, const char *what, struct wire_string *ret,
				struct tensock_error *reterr)
{
	if (!proto_is(message, field, PROTO_BYTES))
		return 0;
	return oip_string(field->bytes, field->n_bytes, max, what, ret, reterr);
}

#endif
