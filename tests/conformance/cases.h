/* SPDX-License-Identifier: Apache-2.0 */
/* The models of libonnx-testdata: where they lie, and their inputs and expected outputs. */
#ifndef TESTS_CONFORMANCE_CASES_H
#define TESTS_CONFORMANCE_CASES_H

#include <stdbool.h>
#include <stddef.h>

#include "conformance/driver.h"

#define CASES_FOLDER "/usr/share/libonnx-testdata/data"
#define CASES_SKIPPED 77
#define CASE_TENSORS_MAX 64u

/* The folders with a model, sorted. */
struct cases {
	char **paths;
	size_t n;
};

/* At most two folders deep. */
void cases_find(struct cases *cases, const char *folder);
void cases_done(struct cases *cases);

/* "test_abs" */
const char *case_name(const char *path);

/* The model's bytes, the caller's to free. */
void *case_read_model(const char *path, size_t *ret_bytes);

/* One set of inputs and the outputs that they shall give. */
struct case_set {
	struct driver_tensor inputs[CASE_TENSORS_MAX], wanted[CASE_TENSORS_MAX];
	unsigned n_inputs, n_wanted;
};

/* Set i, which case_set_done() frees, also after false: one of its tensors cannot be read. */
bool case_set_read(const char *path, unsigned i, struct case_set *ret);
void case_set_done(struct case_set *set);

/* How many there are. */
unsigned case_sets(const char *path);

/* Test data of bfloat16 says that it is uint16: its writer had no other way.  dtype: the model's. */
void case_mend_bfloat16(struct driver_tensor *tensor, uint32_t dtype);

#endif
