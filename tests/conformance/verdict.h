/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model of the conformance set did: right; refused, by a rule of ours; lacking, for the engine
 * does not do it; known, a fault that is not ours and is listed; wrong.
 */
#ifndef TESTS_CONFORMANCE_VERDICT_H
#define TESTS_CONFORMANCE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "conformance/driver.h"

enum verdict_class {
	VERDICT_RIGHT,
	VERDICT_REFUSED,
	VERDICT_LACKING,
	VERDICT_KNOWN,
	VERDICT_WRONG,
	VERDICT_CLASS_MAX
};

struct verdict {
	enum verdict_class class;
	bool died; /* its worker did: no excuse is listed for that */
	char text[400];
};

__attribute__((format(printf, 3, 4))) void
verdict_set(struct verdict *verdict, enum verdict_class class, const char *fmt, ...);

/* An error that came at this step, from a worker that lives. */
void verdict_set_refused(struct verdict *verdict, const char *step,
			 const struct tensock_error *error);

/* Fewer outputs than were wanted, or another answer in output i: false, and it is WRONG. */
bool verdict_compare_count(struct verdict *verdict, unsigned n_got, unsigned n_wanted);
bool verdict_compare(struct verdict *verdict, unsigned i, const char *name,
		     const struct driver_tensor *got, const struct driver_tensor *wanted);

/* Counts it, once what is known of the model is taken into account; prints it where it is wrong. */
void verdict_count(struct verdict *verdict, const char *model, bool verbose,
		   unsigned counts[VERDICT_CLASS_MAX]);

/* The last line; the exit status. */
int verdict_print(const unsigned counts[VERDICT_CLASS_MAX], uint64_t begun_ns);

#endif
