/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "conformance/compare.h"

static const char *const class_names[VERDICT_CLASS_MAX] = { "right", "refused", "lacking", "known",
							    "wrong" };

/*
 * What differs from the expected for a reason that is not ours.  The last three are those that
 * ONNX Runtime's own tests leave out, too.
 */
#define RANDOM "its answer is random"
#define DATA_OF_OTHER_SHAPE "its input \"like\" is [1], its model says [3,4]: rightly refused"
#define TEXT_OF_NUMBERS "ONNX does not say how a number is written; ONNX Runtime and numpy differ"
static const struct {
	const char *model, *reason;
} known_faults[] = {
	{ "test_bernoulli", RANDOM },
	{ "test_bernoulli_double", RANDOM },
	{ "test_bernoulli_double_expanded", RANDOM },
	{ "test_bernoulli_expanded", RANDOM },
	{ "test_bernoulli_seed", RANDOM },
	{ "test_bernoulli_seed_expanded", RANDOM },
	{ "test_training_dropout", RANDOM },
	{ "test_training_dropout_default", RANDOM },
	{ "test_training_dropout_default_mask", RANDOM },
	{ "test_training_dropout_mask", RANDOM },
	{ "test_cast_FLOAT_to_STRING", TEXT_OF_NUMBERS },
	{ "test_castlike_FLOAT_to_STRING", TEXT_OF_NUMBERS },
	{ "test_castlike_FLOAT_to_STRING_expanded", TEXT_OF_NUMBERS },
	{ "test_castlike_BFLOAT16_to_FLOAT", DATA_OF_OTHER_SHAPE },
	{ "test_castlike_BFLOAT16_to_FLOAT_expanded", DATA_OF_OTHER_SHAPE },
	{ "test_castlike_FLOAT_to_BFLOAT16", DATA_OF_OTHER_SHAPE },
	{ "test_castlike_FLOAT_to_BFLOAT16_expanded", DATA_OF_OTHER_SHAPE },
	{ "test_maxunpool_export_with_output_shape",
	  "the expected data is wrong (onnx issue 5398)" },
	{ "test_resize_downsample_scales_cubic_align_corners",
	  "the expected data rounds the output's size otherwise" },
	{ "test_resize_downsample_scales_linear_align_corners",
	  "the expected data rounds the output's size otherwise" },
};

void verdict_set(struct verdict *verdict, enum verdict_class class, const char *fmt, ...)
{
	va_list args;

	verdict->died = false;
	verdict->class = class;
	va_start(args, fmt);
	vsnprintf(verdict->text, sizeof(verdict->text), fmt, args);
	va_end(args);
}

/* The worker refused: by a rule of ours, or for its engine? */
void verdict_set_refused(struct verdict *verdict, const char *step,
			 const struct tensock_error *error)
{
	bool ours = strstr(error->message, "only tensors are served") ||
		    strstr(error->message, "which is not served") ||
		    strstr(error->message, "external data");
	bool lacking = error->status == TENSOCK_UNSUPPORTED;

	verdict_set(verdict,
		    ours      ? VERDICT_REFUSED
		    : lacking ? VERDICT_LACKING
			      : VERDICT_WRONG,
		    "%s: %u %s", step, error->status, error->message);
}

bool verdict_compare_count(struct verdict *verdict, unsigned n_got, unsigned n_wanted)
{
	if (n_got < n_wanted)
		verdict_set(verdict, VERDICT_WRONG, "%u outputs, not %u", n_got, n_wanted);
	return n_got >= n_wanted;
}

bool verdict_compare(struct verdict *verdict, unsigned i, const char *name,
		     const struct driver_tensor *got, const struct driver_tensor *wanted)
{
	char why[200] = "";
	bool same = compare_tensors(got, wanted, why, sizeof(why));

	if (!same)
		verdict_set(verdict, VERDICT_WRONG, "output %u (%s): %s", i, name, why);
	return same;
}

static void excuse_known(struct verdict *verdict, const char *model)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_faults); i++) {
		if (verdict->class == VERDICT_WRONG && !verdict->died &&
		    strcmp(model, known_faults[i].model) == 0)
			verdict_set(verdict, VERDICT_KNOWN, "%s", known_faults[i].reason);
	}
}

void verdict_count(struct verdict *verdict, const char *model, bool verbose,
		   unsigned counts[VERDICT_CLASS_MAX])
{
	excuse_known(verdict, model);
	counts[verdict->class]++;
	if (verbose || verdict->class == VERDICT_WRONG)
		printf("%s: %s: %s\n", class_names[verdict->class], model, verdict->text);
}

int verdict_print(const unsigned counts[VERDICT_CLASS_MAX], uint64_t begun_ns)
{
	unsigned n = 0;

	for (unsigned i = 0; i < VERDICT_CLASS_MAX; i++)
		n += counts[i];
	printf("%u models in %.0f s:", n, (double)(tsk_now_ns() - begun_ns) / 1e9);
	for (unsigned i = 0; i < VERDICT_CLASS_MAX; i++)
		printf(" %u %s%s", counts[i], class_names[i],
		       i + 1 < VERDICT_CLASS_MAX ? "," : "\n");
	return counts[VERDICT_WRONG] ? 1 : 0;
}
