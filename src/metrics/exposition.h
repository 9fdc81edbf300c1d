/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples as Prometheus reads them: text, format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 */
#ifndef METRICS_EXPOSITION_H
#define METRICS_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "channel/metrics_family.h"

/* One process's samples: those of family i are the text from at[i] to at[i + 1].  Zero: none. */
struct exposition {
	char *text;
	size_t at[METRICS_ID_MAX + 1];
	bool is_lost; /* the process is gone, and so are its gauges; the owner's to set */
};

/*
 * bytes: a copy of a page, n long.  guest: whose front wrote it; NULL: the supervisor did.  The text of *ret
 * is replaced.  -EPROTO: it breaks the rules (metrics_read()); -EFBIG: the text would have more than text_max
 * bytes.  *ret stays as it is then.
 */
int exposition_make(const void *bytes, size_t n, const char *guest, size_t text_max,
		    struct exposition *ret) _nodiscard_;
void exposition_done(struct exposition *exposition);

/*
 * All of them as one text, which is the caller's; each family stands there once.  n_errors: tells how often a
 * page could not be read.  NULL: no memory.
 */
char *exposition_join(const struct exposition *const *list, unsigned n, uint64_t n_errors,
		      size_t *ret_len);

#endif
