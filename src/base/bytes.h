/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Little-endian bytes in and out.  A reader never leaves its span: the first read that does not fit
 * marks it bad, and it and all later reads give zero.  Read every field, then ask once with
 * tsk_reader_end().  Lengths are compared by subtraction, so no sum can wrap.
 */
#ifndef TSK_BASE_BYTES_H
#define TSK_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Copies out of memory that a peer may be writing; the compiler may not read it a second time. */
static inline void tsk_copy_once(void *ret, const void *shared, size_t len)
{
	memcpy(ret, shared, len);
	__asm__ volatile("" : : "r"(ret) : "memory");
}

struct tsk_reader {
	const unsigned char *p, *end;
	bool bad;
};

static inline struct tsk_reader tsk_reader(const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	return (struct tsk_reader){ .p = p, .end = p ? p + len : p };
}

static inline size_t tsk_reader_left(const struct tsk_reader *r)
{
	return (size_t)(r->end - r->p);
}

/* The next len bytes, in place, or NULL (and the reader is bad). */
static inline const void *tsk_read_bytes(struct tsk_reader *r, size_t len)
{
	const unsigned char *p = r->p;

	if (r->bad || len > tsk_reader_left(r)) {
		r->bad = true;
		return NULL;
	}
	r->p += len;
	return p;
}

static inline uint64_t tsk_read_uint(struct tsk_reader *r, size_t width)
{
	const unsigned char *p = tsk_read_bytes(r, width);
	uint64_t v = 0;

	for (size_t i = 0; p && i < width; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static inline uint8_t tsk_read_u8(struct tsk_reader *r)
{
	return (uint8_t)tsk_read_uint(r, 1);
}

static inline uint16_t tsk_read_u16(struct tsk_reader *r)
{
	return (uint16_t)tsk_read_uint(r, 2);
}

static inline uint32_t tsk_read_u32(struct tsk_reader *r)
{
	return (uint32_t)tsk_read_uint(r, 4);
}

static inline uint64_t tsk_read_u64(struct tsk_reader *r)
{
	return tsk_read_uint(r, 8);
}

/* True when every read so far fitted and no byte is left over. */
static inline bool tsk_reader_end(const struct tsk_reader *r)
{
	return !r->bad && r->p == r->end;
}

/* A writer into caller's memory: the mirror of the reader, with the same sticky failure. */
struct tsk_writer {
	unsigned char *start, *p, *end;
	bool bad;
};

static inline struct tsk_writer tsk_writer(void *bytes, size_t len)
{
	unsigned char *p = bytes;

	return (struct tsk_writer){ .start = p, .p = p, .end = p ? p + len : p };
}

static inline size_t tsk_writer_len(const struct tsk_writer *w)
{
	return (size_t)(w->p - w->start);
}

/* Room for len bytes, or NULL (and the writer is bad).  The bytes are the caller's to fill. */
static inline void *tsk_write_room(struct tsk_writer *w, size_t len)
{
	unsigned char *p = w->p;

	if (w->bad || len > (size_t)(w->end - w->p)) {
		w->bad = true;
		return NULL;
	}
	w->p += len;
	return p;
}

static inline void tsk_write_bytes(struct tsk_writer *w, const void *bytes, size_t len)
{
	void *p = tsk_write_room(w, len);

	if (p && len)
		memcpy(p, bytes, len);
}

static inline void tsk_write_uint(struct tsk_writer *w, uint64_t v, size_t width)
{
	unsigned char *p = tsk_write_room(w, width);

	for (size_t i = 0; p && i < width; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static inline void tsk_write_u8(struct tsk_writer *w, uint8_t v)
{
	tsk_write_uint(w, v, 1);
}

static inline void tsk_write_u16(struct tsk_writer *w, uint16_t v)
{
	tsk_write_uint(w, v, 2);
}

static inline void tsk_write_u32(struct tsk_writer *w, uint32_t v)
{
	tsk_write_uint(w, v, 4);
}

static inline void tsk_write_u64(struct tsk_writer *w, uint64_t v)
{
	tsk_write_uint(w, v, 8);
}

#endif
