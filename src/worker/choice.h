/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which engine runs a model: of those that take its bytes, by what their probe says and then by the
 * operator's order, the first that loads it.
 */
#ifndef WORKER_CHOICE_H
#define WORKER_CHOICE_H

#include <stddef.h>

#include "worker/engines.h"
#include "worker/model.h"

/*
 * Loads a model of these bytes, which nobody can write any more.  The format's own rules
 * (worker/onnx_scan.h) come before an engine sees it.  When all refuse, the error tells of each that did;
 * OUT_OF_MEMORY ends the search.
 */
int choice_load(const struct engines *engines, const void *bytes, size_t n_bytes, struct model *ret,
		struct tensock_error *reterr) _nodiscard_;

#endif
