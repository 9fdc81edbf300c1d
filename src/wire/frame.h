/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native protocol's frames (docs/protocol.md): a header of 16 bytes {u32 type, u32 id, u64 size}
 * as the seed's, then size bytes of a message.  Both ends use it; nothing here does I/O.
 *
 * Each message has its reader and its writer in one file of this folder, in the order of
 * docs/protocol.md.  Readers take private memory, set *ret only when they succeed, and answer -EPROTO
 * for anything that the writer would not write: a field out of bounds, a byte too few or too many.
 * Strings that are read point into the bytes that were given and are not terminated (struct
 * wire_string).  Writers mark the tsk_writer bad where something does not fit.
 */
#ifndef TSK_WIRE_FRAME_H
#define TSK_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/bytes.h"
#include "base/cleanup.h"

#define WIRE_VERSION 1u /* the one version that there is */

#define WIRE_HEADER_BYTES 16u
/* The largest body of any frame.  Payload that is longer goes on in CHUNK frames. */
#define WIRE_BODY_MAX (256u * 1024)
/* The largest metadata of an INFER or a RESULT, and of a model's description. */
#define WIRE_META_MAX (128u * 1024)
/* Payload begins at a multiple of this from the start of the body, and so does each tensor in it. */
#define WIRE_ALIGN 64u

#define WIRE_NAME_MAX 255u         /* bytes of a model's name */
#define WIRE_LABEL_MAX 63u         /* of a version, a program, a counter */
#define WIRE_HASH_BYTES 32u        /* SHA-256 */
#define WIRE_HELLO_BYTES_MAX 1024u /* of HELLO and WELCOME, also in later versions */
#define WIRE_ERROR_TEXT_MAX 251u

enum wire_type {
	/* guest → host */
	WIRE_HELLO = 16,  /* the first frame; id 0 */
	WIRE_OFFER = 17,  /* a model that the host may have or want → SEND, MODEL or ERROR */
	WIRE_INFO = 18,   /* → MODEL */
	WIRE_LIST = 19,   /* → MODELS; empty */
	WIRE_UNLOAD = 20, /* → DONE */
	WIRE_INFER = 21,  /* → RESULT */
	WIRE_CANCEL = 22, /* of the request of this id; empty.  Its one answer comes all the same */
	WIRE_STATS = 23,  /* → COUNTERS; empty */
	WIRE_MEMORY = 24, /* memory of the guest's, by a descriptor that comes with it; id 0 */
	WIRE_INFER_MEMORY = 25, /* INFER with its payload there → RESULT, RESULT_MEMORY or INLINE */

	/* both ways */
	WIRE_CHUNK = 32, /* raw bytes: the next ones of the upload, request or result of this id */
	WIRE_PING = 33,  /* → PONG with the same id; empty */
	WIRE_PONG = 34,

	/* host → guest */
	WIRE_WELCOME = 48, /* answers HELLO; id 0 */
	WIRE_SEND = 49,    /* to an OFFER: the host wants the bytes, from an offset on */
	WIRE_MODEL = 50,
	WIRE_MODELS = 51,
	WIRE_DONE = 52, /* empty */
	WIRE_RESULT = 53,
	WIRE_COUNTERS = 54,
	WIRE_ERROR = 55,         /* ends the request of this id; id 0: the connection */
	WIRE_GOAWAY = 56,        /* no new request is taken; those under way are answered; id 0 */
	WIRE_RESULT_MEMORY = 57, /* RESULT with its payload in the guest's memory */
	WIRE_INLINE = 58,        /* that memory cannot be used: to be asked again by INFER; empty */
};

/* "HELLO"; NULL for a number that is none. */
const char *wire_type_name(uint32_t type);

struct wire_header {
	uint32_t type;
	uint32_t id;   /* chosen by the guest, not 0, not that of another request under way */
	uint64_t size; /* of the body */
};

void wire_header_write(unsigned char bytes[WIRE_HEADER_BYTES], const struct wire_header *header);

/*
 * -EPROTO for a type that is none, an id that frames of this type cannot have (HELLO, WELCOME and
 * GOAWAY: 0; ERROR, PING and PONG: any; the others: not 0), or a body longer than this type's
 * longest.  CHUNK has at least one byte.  Nothing is said of who may send it, and when.
 */
int wire_header_read(const unsigned char bytes[WIRE_HEADER_BYTES], struct wire_header *ret)
	_nodiscard_;

/* On the wire: u16 length, then so many bytes, none of them 0. */
struct wire_string {
	const char *bytes;
	uint16_t len;
};

/* An empty one for NULL.  text is at most 65535 bytes long. */
struct wire_string wire_string(const char *text);
bool wire_string_equals(struct wire_string string, const char *text);
void wire_string_write(struct tsk_writer *w, struct wire_string string, size_t max);
/* The reader is bad for one that is longer than max or has a 0 in it. */
struct wire_string wire_string_read(struct tsk_reader *r, size_t max);

#endif
