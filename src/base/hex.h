/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as hexadecimal digits, two each, the high one first. */
#ifndef TSK_BASE_HEX_H
#define TSK_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

/* The 2 * n digits of n bytes, in lower case and with no zero behind them; returns their end. */
char *tsk_hex_write(char *to, const void *bytes, size_t n);

/*
 * The n bytes of 2 * n digits in either case, or only as tsk_hex_write() writes them.  False, and ret
 * is untouched: one of them is no digit.
 */
bool tsk_hex_read(const char *text, size_t n, void *ret) _nodiscard_;
bool tsk_hex_read_lower(const char *text, size_t n, void *ret) _nodiscard_;

#endif
