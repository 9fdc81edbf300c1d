/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/args.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/status.h"

#define DAY_S 86400.0

static const char *take_word(struct args *args)
{
	args->n--;
	return *args->words++;
}

static int wrong(const struct args *args, const char *what, const char *word,
		 struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "'%.80s' %s; see %s --help", word, what,
			args->program);
}

/* The value behind an option: `rest` of its own word, or else the next word. */
static int take_value(struct args *args, const char *word, const char *rest, const char **ret_value,
		      struct tensock_error *reterr)
{
	if (!rest && args->n == 0)
		return wrong(args, "lacks its value", word, reterr);
	*ret_value = rest ? rest : take_word(args);
	return 0;
}

static int take_long(struct args *args, const struct arg_option *options, const char *word,
		     const char **ret_value, struct tensock_error *reterr)
{
	const char *name = word + 2;
	const char *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);

	for (; options->name; options++) {
		int r = 0;

		if (strncmp(options->name, name, len) != 0 || options->name[len])
			continue;
		if (options->has_value)
			r = take_value(args, word, equals ? equals + 1 : NULL, ret_value, reterr);
		else if (equals)
			r = wrong(args, "takes no value", word, reterr);
		return r < 0 ? r : options->id;
	}
	return wrong(args, "is no option here", word, reterr);
}

static int take_letter(struct args *args, const struct arg_option *options, const char **ret_value,
		       struct tensock_error *reterr)
{
	const char word[] = { '-', *args->letters++, '\0' };

	for (; options->name; options++) {
		int r = 0;

		if (options->letter != word[1])
			continue;
		if (options->has_value) {
			const char *rest = *args->letters ? args->letters : NULL;

			args->letters = NULL;
			r = take_value(args, word, rest, ret_value, reterr);
		}
		return r < 0 ? r : options->id;
	}
	return wrong(args, "is no option here", word, reterr);
}

int args_next(struct args *args, const struct arg_option *options, const char **ret_value,
	      struct tensock_error *reterr)
{
	const char *word;

	*ret_value = NULL;
	if (args->letters && *args->letters)
		return take_letter(args, options, ret_value, reterr);
	if (args->n == 0)
		return ARG_END;
	word = take_word(args);
	if (args->options_end || word[0] != '-' || word[1] == '\0') {
		*ret_value = word;
		return ARG_WORD;
	}
	if (strcmp(word, "--") == 0) {
		args->options_end = true;
		return args_next(args, options, ret_value, reterr);
	}
	if (word[1] == '-')
		return take_long(args, options, word, ret_value, reterr);
	args->letters = word + 1;
	return take_letter(args, options, ret_value, reterr);
}

int args_number(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *ret,
		struct tensock_error *reterr)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || v < min || v > max)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"%s: '%.80s' is no number from %" PRIu64 " to %" PRIu64, option,
				text, min, max);
	*ret = v;
	return 0;
}

/* A finite number of 0 or more at the beginning of text, written in decimal. */
static bool read_decimal(const char *text, double *ret, char **ret_end)
{
	if ((*text < '0' || *text > '9') && *text != '.')
		return false;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return false;
	*ret = strtod(text, ret_end);
	return *ret_end != text && isfinite(*ret);
}

int args_duration(const char *option, const char *text, uint64_t *ret_ns,
		  struct tensock_error *reterr)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = { { "", 1 },      { "s", 1 },  { "ms", 1e-3 },
		      { "us", 1e-6 }, { "m", 60 }, { "h", 3600 } };
	double v;
	char *end;

	if (read_decimal(text, &v, &end)) {
		for (unsigned i = 0; i < ARRAY_SIZE(units); i++) {
			if (strcmp(end, units[i].unit) == 0 && v * units[i].seconds <= DAY_S) {
				*ret_ns = (uint64_t)(v * units[i].seconds * 1e9);
				return 0;
			}
		}
	}
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"%s: '%.80s' is no time of a day or less, as 5s, 250ms or 2m", option,
			text);
}

int args_fraction(const char *option, const char *text, double *ret, struct tensock_error *reterr)
{
	char *end;

	if (!read_decimal(text, ret, &end) || *end)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"%s: '%.80s' is no number of 0 or more, as 1e-3", option, text);
	return 0;
}

static int no_shape(const char *option, const char *text, struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"%s: '%.80s' is no shape of at most %u dimensions, as 1,3,224,224", option,
			text, TENSOCK_RANK_MAX);
}

int args_shape(const char *option, const char *text, int64_t ret_dims[TENSOCK_RANK_MAX],
	       uint32_t *ret_rank, struct tensock_error *reterr)
{
	const char *p = text;
	uint32_t rank = 0;

	while (*p) {
		int64_t v = 0;
		const char *start = p;

		if (rank == TENSOCK_RANK_MAX)
			return no_shape(option, text, reterr);
		for (; *p >= '0' && *p <= '9'; p++) {
			if (!tsk_mul(v, INT64_C(10), &v) || !tsk_add(v, (int64_t)(*p - '0'), &v))
				return no_shape(option, text, reterr);
		}
		if (p == start || (*p && *p != ',') || (*p == ',' && !p[1]))
			return no_shape(option, text, reterr);
		p += *p == ',';
		ret_dims[rank++] = v;
	}
	*ret_rank = rank;
	return 0;
}
