/* SPDX-License-Identifier: Apache-2.0 */
/* What a doctor found: one line each, and for what is not well the command that mends it. */
#ifndef CLI_FINDINGS_H
#define CLI_FINDINGS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/cleanup.h"

#define FINDINGS_MAX 32u

enum finding_level {
	FINDING_OK,
	FINDING_WARN,
	FINDING_FAIL
};

struct finding {
	enum finding_level level;
	char text[320];
	const char *mend; /* NULL: nothing to be done */
};

struct findings {
	struct finding list[FINDINGS_MAX];
	unsigned n;
};

/* mend: a literal.  More than FINDINGS_MAX are dropped. */
void findings_add(struct findings *findings, enum finding_level level, const char *mend,
		  const char *fmt, ...) _printf_(4, 5);

bool findings_have(const struct findings *findings, enum finding_level level);

void findings_print(FILE *out, const struct findings *findings);
void findings_json(FILE *out, const struct findings *findings);

#endif
