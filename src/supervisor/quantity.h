/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as people write them on the command line and in the configuration.  Decimal digits only:
 * no sign, no spaces, no fraction.  All return 0, -EINVAL for text that is none, or -ERANGE.
 */
#ifndef SUPERVISOR_QUANTITY_H
#define SUPERVISOR_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

/* "17" */
int quantity_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret) _nodiscard_;
/* "4096" (bytes), "16KiB", "512MiB", "2GiB" */
int quantity_bytes(const char *text, uint64_t min, uint64_t max, uint64_t *ret) _nodiscard_;
/* "250ms", "30s", "10min", "24h"; the unit must be there.  In milliseconds. */
int quantity_ms(const char *text, uint64_t min, uint64_t max, uint64_t *ret) _nodiscard_;
/* "150%" */
int quantity_percent(const char *text, uint64_t min, uint64_t max, uint64_t *ret) _nodiscard_;
/* "yes", "no"; "true", "false" */
int quantity_bool(const char *text, bool *ret) _nodiscard_;

#endif
