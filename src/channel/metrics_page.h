/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of metrics: memory that one process writes and tensock-metrics reads while it does.  Each front has
 * one, and so has the supervisor.  The reader copies it once and checks the copy: a front is hostile.
 *
 * The page is struct metrics_page and `bytes` bytes of samples, little-endian and packed:
 *
 *   u8 id (enum metrics_id), then a label after the other as its family has them (a text: u8 length and
 *   its bytes; any other: u8 index), then u64 value; of a histogram METRICS_BUCKETS u64, of which each
 *   counts what is in no bucket before, and u64 nanoseconds, the sum of all.
 *
 * Each sample is greater than the one before: by id, then by its labels.  So none stands there twice.
 */
#ifndef CHANNEL_METRICS_PAGE_H
#define CHANNEL_METRICS_PAGE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "channel/metrics_family.h"

#define METRICS_FRONT_PAGE_BYTES (UINT64_C(256) << 10)
#define METRICS_DAEMON_PAGE_BYTES (UINT64_C(4) << 20)

#define METRICS_TEXT_MAX 64u /* bytes of a label */
#define METRICS_BUCKETS 20u  /* the last one has no bound */

struct metrics_page {
	_Atomic uint64_t sequence; /* odd while it is written, 0 before the first time */
	_Atomic uint64_t bytes;
};

struct metrics_histogram {
	uint64_t counts[METRICS_BUCKETS];
	uint64_t sum_ns;
};

/* The most that a histogram's bucket takes, in nanoseconds; not of the last one. */
extern const uint64_t metrics_bounds_ns[METRICS_BUCKETS - 1];

void metrics_histogram_add(struct metrics_histogram *histogram, uint64_t ns);

struct metrics_value {
	const char *text; /* METRICS_GUEST, MODEL, VERSION: not terminated */
	size_t len;
	unsigned index; /* of other labels */
};

struct metrics_sample {
	enum metrics_id id;
	struct metrics_value labels[METRICS_LABELS_MAX];
	uint64_t value;                     /* of a counter or gauge */
	struct metrics_histogram histogram; /* of a histogram */
};

/*
 * Writing.  begin() marks the page as being written, and gives the room for samples; what is there is lost.
 * commit() makes what has been written readable: nothing, where w is bad.  page: of size bytes, writable.
 */
struct tsk_writer metrics_page_begin(struct metrics_page *page, size_t size);
void metrics_page_commit(struct metrics_page *page, const struct tsk_writer *w);

/* Texts must be as metrics_text() makes them. */
void metrics_write(struct tsk_writer *w, const struct metrics_sample *sample);

/* The label's text: made printable (UTF-8 without controls), and cut to METRICS_TEXT_MAX bytes. */
void metrics_text(const char *text, char ret[METRICS_TEXT_MAX + 1]);

/*
 * Copies the samples out of the page of size bytes, of which ret has room for as many.  -EAGAIN: it is
 * being written all the time, or has never been; -EPROTO: it says that it has more than fits.
 */
int metrics_page_copy(const struct metrics_page *page, size_t size, void *ret, size_t *ret_bytes)
	_nodiscard_;

/*
 * The next sample of a copy, whose texts lie in there: 1, or 0 at the end.  -EPROTO: it breaks the rules
 * above, or is not the kind's (is_daemons) to write, or has a number that the sum of a histogram would not
 * fit.  *before: the one before, for the order; all of its memory is zero at first, with id
 * METRICS_ID_MAX.
 */
int metrics_read(struct tsk_reader *r, bool is_daemons, struct metrics_sample *before,
		 struct metrics_sample *ret) _nodiscard_;

#endif
