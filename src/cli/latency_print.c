/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/latency_print.h"

#include <inttypes.h>

#include "base/cleanup.h"
#include "cli/text.h"

static const struct {
	const char *name, *key;
	double percent;
} figures[] = {
	{ "min", "min-ns", 0 },  { "p50", "p50-ns", 50 },  { "p90", "p90-ns", 90 },
	{ "p99", "p99-ns", 99 }, { "max", "max-ns", 100 },
};

void latency_print(FILE *out, const char *what, const struct latency *latency)
{
	char text[TEXT_QUANTITY_BYTES];

	fprintf(out, "%" PRIu64 " %s:", latency->n, what);
	for (unsigned i = 0; i < ARRAY_SIZE(figures); i++)
		fprintf(out, "%s %s %s", i ? "," : "", figures[i].name,
			text_duration(latency_percentile(latency, figures[i].percent), text));
	fputc('\n', out);
}

void latency_json(struct json *json, const struct latency *latency)
{
	json_object(json);
	json_key(json, "n");
	json_uint(json, latency->n);
	json_key(json, "mean-ns");
	json_uint(json, latency->n ? latency->sum_ns / latency->n : 0);
	for (unsigned i = 0; i < ARRAY_SIZE(figures); i++) {
		json_key(json, figures[i].key);
		json_uint(json, latency_percentile(latency, figures[i].percent));
	}
	json_end_object(json);
}
