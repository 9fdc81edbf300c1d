/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of peers, which should be UTF-8. */
#ifndef TSK_BASE_UTF8_H
#define TSK_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * The next character of UTF-8 at p (n bytes, not 0): its length, *ret_char what it is.  A byte that
 * belongs to none gives length 1 and TSK_UTF8_INVALID.
 */
#define TSK_UTF8_INVALID UINT32_MAX
size_t tsk_utf8_next(const unsigned char *p, size_t n, uint32_t *ret_char);

#endif
