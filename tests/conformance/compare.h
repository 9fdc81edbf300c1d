/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an answer is the expected one. */
#ifndef TESTS_CONFORMANCE_COMPARE_H
#define TESTS_CONFORMANCE_COMPARE_H

#include <stddef.h>

#include "conformance/driver.h"

/*
 * Type and shape must be equal, whole numbers and strings too; floating-point numbers within 1e-5 +
 * 1e-3 |wanted| + 1e-6 (the largest wanted), 16-bit ones within ten times that; NaN is equal to NaN.
 * Otherwise false, and why in text.
 */
bool compare_tensors(const struct driver_tensor *got, const struct driver_tensor *wanted,
		     char *text, size_t size);

#endif
