/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/metrics_page.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/status.h"

#define COPIES_MAX 16u /* tries, of which each takes much longer than a front to write a page */

#define US UINT64_C(1000)
#define MS (1000 * US)
#define S (1000 * MS)

static_assert(sizeof(struct metrics_page) == 16, "two programs have it in common");

const uint64_t metrics_bounds_ns[METRICS_BUCKETS - 1] = {
	50 * US,   100 * US, 250 * US, 500 * US, 1 * MS,   2500 * US, 5 * MS,
	10 * MS,   25 * MS,  50 * MS,  100 * MS, 250 * MS, 500 * MS,  1 * S,
	2500 * MS, 5 * S,    10 * S,   30 * S,   60 * S,
};

void metrics_histogram_add(struct metrics_histogram *histogram, uint64_t ns)
{
	unsigned i = 0;

	while (i < METRICS_BUCKETS - 1 && ns > metrics_bounds_ns[i])
		i++;
	histogram->counts[i]++;
	histogram->sum_ns += ns;
}

void metrics_text(const char *text, char ret[METRICS_TEXT_MAX + 1])
{
	size_t n = strnlen(text, METRICS_TEXT_MAX);

	/* Where it is cut, not in the middle of a character. */
	if (n == METRICS_TEXT_MAX && text[n]) {
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(ret, text, n);
	ret[n] = '\0';
	tsk_make_printable(ret);
}

/* Writing */

struct tsk_writer metrics_page_begin(struct metrics_page *page, size_t size)
{
	uint64_t sequence = atomic_load_explicit(&page->sequence, memory_order_relaxed);

	atomic_store_explicit(&page->sequence, sequence | 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	return tsk_writer(page + 1, size - sizeof(*page));
}

void metrics_page_commit(struct metrics_page *page, const struct tsk_writer *w)
{
	uint64_t sequence = atomic_load_explicit(&page->sequence, memory_order_relaxed);

	atomic_store_explicit(&page->bytes, w->bad ? 0 : tsk_writer_len(w), memory_order_relaxed);
	atomic_store_explicit(&page->sequence, sequence + 1, memory_order_release);
}

void metrics_write(struct tsk_writer *w, const struct metrics_sample *sample)
{
	const struct metrics_family *family = metrics_family(sample->id);

	tsk_write_u8(w, (uint8_t)sample->id);
	for (unsigned i = 0; i < METRICS_LABELS_MAX && family->labels[i]; i++) {
		const struct metrics_value *value = &sample->labels[i];

		if (!metrics_label_is_text(family->labels[i])) {
			tsk_write_u8(w, (uint8_t)value->index);
			continue;
		}
		tsk_write_u8(w, (uint8_t)value->len);
		tsk_write_bytes(w, value->text, value->len);
	}
	if (family->kind != METRICS_HISTOGRAM) {
		tsk_write_u64(w, sample->value);
		return;
	}
	for (unsigned i = 0; i < METRICS_BUCKETS; i++)
		tsk_write_u64(w, sample->histogram.counts[i]);
	tsk_write_u64(w, sample->histogram.sum_ns);
}

/* Reading */

int metrics_page_copy(const struct metrics_page *page, size_t size, void *ret, size_t *ret_bytes)
{
	for (unsigned i = 0; i < COPIES_MAX; i++) {
		uint64_t before = atomic_load_explicit(&page->sequence, memory_order_acquire);
		uint64_t bytes = atomic_load_explicit(&page->bytes, memory_order_relaxed);

		if (before == 0 || before & 1)
			continue;
		if (bytes > size - sizeof(*page))
			return -EPROTO;
		memcpy(ret, page + 1, (size_t)bytes);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&page->sequence, memory_order_relaxed) == before) {
			*ret_bytes = (size_t)bytes;
			return 0;
		}
	}
	return -EAGAIN;
}

/* What metrics_text() would leave as it is. */
static bool text_is_valid(const char *text, size_t len)
{
	char copy[METRICS_TEXT_MAX + 1], made[METRICS_TEXT_MAX + 1];

	if (len > METRICS_TEXT_MAX || memchr(text, '\0', len))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	metrics_text(copy, made);
	return memcmp(copy, made, len + 1) == 0;
}

static bool read_label(struct tsk_reader *r, enum metrics_label label, struct metrics_value *ret)
{
	if (!metrics_label_is_text(label)) {
		ret->index = tsk_read_u8(r);
		return metrics_label_value(label, ret->index);
	}
	ret->len = tsk_read_u8(r);
	ret->text = tsk_read_bytes(r, ret->len);
	return ret->text && text_is_valid(ret->text, ret->len);
}

/* The buckets are added up by who shows them. */
static bool read_histogram(struct tsk_reader *r, struct metrics_histogram *ret)
{
	uint64_t sum = 0;
	bool fits = true;

	for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
		ret->counts[i] = tsk_read_u64(r);
		fits = fits && tsk_add(sum, ret->counts[i], &sum);
	}
	ret->sum_ns = tsk_read_u64(r);
	return fits;
}

static int compare_value(enum metrics_label label, const struct metrics_value *a,
			 const struct metrics_value *b)
{
	size_t n = a->len < b->len ? a->len : b->len;
	int r;

	if (!metrics_label_is_text(label))
		return (a->index > b->index) - (a->index < b->index);
	r = n ? memcmp(a->text, b->text, n) : 0;
	return r ? r : (a->len > b->len) - (a->len < b->len);
}

static bool is_greater(const struct metrics_sample *sample, const struct metrics_sample *before)
{
	const struct metrics_family *family = metrics_family(sample->id);
	int r = 0;

	if (before->id == METRICS_ID_MAX || sample->id != before->id)
		return before->id == METRICS_ID_MAX || sample->id > before->id;
	for (unsigned i = 0; i < METRICS_LABELS_MAX && family->labels[i] && r == 0; i++)
		r = compare_value(family->labels[i], &sample->labels[i], &before->labels[i]);
	return r > 0;
}

int metrics_read(struct tsk_reader *r, bool is_daemons, struct metrics_sample *before,
		 struct metrics_sample *ret)
{
	const struct metrics_family *family;
	struct metrics_sample sample = { 0 };
	unsigned id;
	bool good = true;

	if (tsk_reader_left(r) == 0)
		return 0;
	id = tsk_read_u8(r);
	if (id >= METRICS_ID_MAX)
		return -EPROTO;
	sample.id = (enum metrics_id)id;
	family = metrics_family(sample.id);
	for (unsigned i = 0; i < METRICS_LABELS_MAX && family->labels[i] && good; i++)
		good = read_label(r, family->labels[i], &sample.labels[i]);
	if (family->kind == METRICS_HISTOGRAM)
		good = good && read_histogram(r, &sample.histogram);
	else
		sample.value = tsk_read_u64(r);
	if (!good || r->bad || family->is_daemons != is_daemons || !is_greater(&sample, before))
		return -EPROTO;
	*before = *ret = sample;
	return 1;
}
