/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a translation takes.
 *
 *   translate MODEL ROUNDS [OUT.onnx]
 *
 * Prints "median_ms least_ms most_ms first_ms extra_bytes result_bytes".  extra_bytes: by how much the
 * resident memory of this process grew at its highest while it translated for the first time, the result
 * included, the model not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "latencies.h"
#include "translate/translate.h"

#define ROUNDS_MAX 1000u
#define NS_PER_MS 1e6

static void die(const char *what, const char *why)
{
	fprintf(stderr, "translate: %s: %s\n", what, why);
	exit(1);
}

static unsigned char *read_file(const char *path, size_t *ret_n)
{
	FILE *file = fopen(path, "rbe");
	unsigned char *bytes = NULL;
	long n = -1;

	if (file && fseek(file, 0, SEEK_END) == 0)
		n = ftell(file);
	if (n > 0 && fseek(file, 0, SEEK_SET) == 0)
		bytes = malloc((size_t)n);
	if (!bytes || fread(bytes, 1, (size_t)n, file) != (size_t)n)
		die(path, "cannot be read");
	fclose(file);
	*ret_n = (size_t)n;
	return bytes;
}

static void write_file(const char *path, const struct translation *result)
{
	FILE *file = fopen(path, "wbe");

	if (!file || fwrite(result->onnx, 1, result->n_bytes, file) != result->n_bytes ||
	    fclose(file) != 0)
		die(path, "cannot be written");
}

/* A line of /proc/self/status, "VmRSS:" or "VmHWM:". */
static size_t memory_bytes(const char *field)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	unsigned long kib = 0;

	if (!file)
		die("/proc/self/status", "cannot be read");
	while (kib == 0 && fgets(line, sizeof(line), file)) {
		if (strncmp(line, field, strlen(field)) == 0)
			kib = strtoul(line + strlen(field), NULL, 10);
	}
	fclose(file);
	return (size_t)kib * 1024;
}

/* VmHWM begins anew at VmRSS. */
static void forget_peak(void)
{
	FILE *file = fopen("/proc/self/clear_refs", "we");

	if (!file || fputs("5", file) < 0 || fclose(file) != 0)
		die("/proc/self/clear_refs", "cannot be written");
}

static uint64_t translate_once(const unsigned char *bytes, size_t n, struct translation *ret)
{
	struct tensock_error error = { 0 };
	uint64_t start = tsk_now_ns();

	if (translate(bytes, n, ret, &error) < 0)
		die("translate()", error.message);
	return tsk_now_ns() - start;
}

int main(int argc, char **argv)
{
	uint64_t ns[ROUNDS_MAX];
	unsigned long rounds = argc >= 3 ? strtoul(argv[2], NULL, 10) : 0;
	size_t n;

	if (argc > 4 || rounds < 1 || rounds > ROUNDS_MAX)
		die("usage", "translate MODEL ROUNDS [OUT.onnx]");

	_cleanup_free_ unsigned char *bytes = read_file(argv[1], &n);
	struct translation result;

	forget_peak();
	size_t before = memory_bytes("VmRSS:");
	uint64_t first = translate_once(bytes, n, &result);
	size_t extra = memory_bytes("VmHWM:") - before;
	size_t result_bytes = result.n_bytes;

	if (argc == 4)
		write_file(argv[3], &result);
	translation_done(&result);
	for (unsigned long i = 0; i < rounds; i++) {
		ns[i] = translate_once(bytes, n, &result);
		translation_done(&result);
	}
	qsort(ns, rounds, sizeof(*ns), latencies_compare);
	printf("%.3f %.3f %.3f %.3f %zu %zu\n", (double)ns[rounds / 2] / NS_PER_MS,
	       (double)ns[0] / NS_PER_MS, (double)ns[rounds - 1] / NS_PER_MS,
	       (double)first / NS_PER_MS, extra, result_bytes);
	return 0;
}
