/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/exposition.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "channel/metrics_page.h"

/* The one that is no process's to write. */
#define ERRORS "tensock_metrics_errors_total"

void exposition_done(struct exposition *exposition)
{
	free(exposition->text);
	*exposition = (struct exposition){ 0 };
}

/* Lines of a sample */

/* A label's value may be any UTF-8, these three escaped; a text of a page has no newline. */
static void print_escaped(FILE *file, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			putc('\\', file);
		putc(text[i], file);
	}
}

static void print_label(FILE *file, enum metrics_label label, const struct metrics_value *value,
			char before)
{
	fprintf(file, "%c%s=\"", before, metrics_label_name(label));
	if (metrics_label_is_text(label))
		print_escaped(file, value->text, value->len);
	else
		fputs(metrics_label_value(label, value->index), file);
	putc('"', file);
}

/* "NAME{a="b",..." with neither its end nor a label more; whether there is a label. */
static bool print_start(FILE *file, const struct metrics_sample *sample, const char *suffix,
			const char *guest)
{
	const struct metrics_family *family = metrics_family(sample->id);
	bool has_label = false;

	fprintf(file, "%s%s", family->name, suffix);
	if (guest) {
		const struct metrics_value value = { .text = guest, .len = strlen(guest) };

		print_label(file, METRICS_GUEST, &value, '{');
		has_label = true;
	}
	for (unsigned i = 0; i < METRICS_LABELS_MAX && family->labels[i]; i++) {
		print_label(file, family->labels[i], &sample->labels[i], has_label ? ',' : '{');
		has_label = true;
	}
	return has_label;
}

static void print_plain(FILE *file, const struct metrics_sample *sample, const char *suffix,
			const char *guest, uint64_t value)
{
	bool has_label = print_start(file, sample, suffix, guest);

	fprintf(file, "%s %" PRIu64 "\n", has_label ? "}" : "", value);
}

static void print_seconds(FILE *file, uint64_t ns)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%" PRIu64 ".%09u", ns / TSK_NS_PER_SEC,
			 (unsigned)(ns % TSK_NS_PER_SEC));

	while (text[n - 1] == '0')
		n--;
	fprintf(file, "%.*s", text[n - 1] == '.' ? n - 1 : n, text);
}

static void print_bucket(FILE *file, const struct metrics_sample *sample, const char *guest,
			 unsigned i, uint64_t count)
{
	bool has_label = print_start(file, sample, "_bucket", guest);

	fprintf(file, "%cle=\"", has_label ? ',' : '{');
	if (i < METRICS_BUCKETS - 1)
		print_seconds(file, metrics_bounds_ns[i]);
	else
		fputs("+Inf", file);
	fprintf(file, "\"} %" PRIu64 "\n", count);
}

static void print_histogram(FILE *file, const struct metrics_sample *sample, const char *guest)
{
	uint64_t count = 0;
	bool has_label;

	for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
		count += sample->histogram.counts[i];
		print_bucket(file, sample, guest, i, count);
	}
	has_label = print_start(file, sample, "_sum", guest);
	fputs(has_label ? "} " : " ", file);
	print_seconds(file, sample->histogram.sum_ns);
	putc('\n', file);
	print_plain(file, sample, "_count", guest, count);
}

/* A page's text */

/* The families up to that one, not with it, end here. */
static void close_families(struct exposition *exposition, unsigned *at, unsigned id, FILE *file)
{
	while (*at < id)
		exposition->at[++*at] = (size_t)ftell(file);
}

static int print_all(const void *bytes, size_t n, const char *guest, size_t text_max, FILE *file,
		     struct exposition *ret)
{
	struct metrics_sample before = { .id = METRICS_ID_MAX }, sample;
	struct tsk_reader r = tsk_reader(bytes, n);
	unsigned at = 0;
	int result;

	while ((result = metrics_read(&r, !guest, &before, &sample)) > 0) {
		close_families(ret, &at, sample.id, file);
		if (metrics_family(sample.id)->kind == METRICS_HISTOGRAM)
			print_histogram(file, &sample, guest);
		else
			print_plain(file, &sample, "", guest, sample.value);
		if ((size_t)ftell(file) > text_max)
			return -EFBIG;
	}
	close_families(ret, &at, METRICS_ID_MAX, file);
	return result;
}

int exposition_make(const void *bytes, size_t n, const char *guest, size_t text_max,
		    struct exposition *ret)
{
	struct exposition made = { .is_lost = ret->is_lost };
	size_t size = 0;
	FILE *file = open_memstream(&made.text, &size);
	int r;

	if (!file)
		return -ENOMEM;
	r = print_all(bytes, n, guest, text_max, file, &made);
	if (r == 0 && ferror(file))
		r = -ENOMEM;
	if (fclose(file) != 0 && r == 0)
		r = -ENOMEM;
	if (r < 0) {
		free(made.text);
		return r;
	}
	exposition_done(ret);
	*ret = made;
	return 0;
}

/* All of them */

static void print_family(FILE *file, const struct metrics_family *family)
{
	static const char *const kinds[] = { [METRICS_COUNTER] = "counter",
					     [METRICS_GAUGE] = "gauge",
					     [METRICS_HISTOGRAM] = "histogram" };

	fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
		kinds[family->kind]);
}

static void print_texts(FILE *file, const struct exposition *const *list, unsigned n, unsigned id)
{
	const struct metrics_family *family = metrics_family((enum metrics_id)id);
	bool has_any = false;

	for (unsigned i = 0; i < n; i++) {
		size_t from = list[i]->at[id], to = list[i]->at[id + 1];

		if (from == to || (list[i]->is_lost && family->kind == METRICS_GAUGE))
			continue;
		if (!has_any)
			print_family(file, family);
		has_any = true;
		fwrite(list[i]->text + from, 1, to - from, file);
	}
}

char *exposition_join(const struct exposition *const *list, unsigned n, uint64_t n_errors,
		      size_t *ret_len)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, ret_len);
	bool has_failed;

	if (!file)
		return NULL;
	for (unsigned id = 0; id < METRICS_ID_MAX; id++)
		print_texts(file, list, n, id);
	fprintf(file,
		"# HELP " ERRORS " Times that a front's metrics could not be read.\n"
		"# TYPE " ERRORS " counter\n" ERRORS " %" PRIu64 "\n",
		n_errors);
	has_failed = ferror(file);
	if (fclose(file) != 0 || has_failed) {
		free(text);
		return NULL;
	}
	return text;
}
