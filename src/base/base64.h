/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 as RFC 4648 has it, with padding; line breaks between the characters are passed over. */
#ifndef TSK_BASE_BASE64_H
#define TSK_BASE_BASE64_H

#include <stddef.h>

#include "base/cleanup.h"

/*
 * Writes the bytes that the text stands for to `to`, which has room for n / 4 * 3 of them, or only counts
 * them where that is NULL.  -EINVAL for another character, missing or wrong padding, or bits that no byte
 * has.
 */
int tsk_base64_decode(const char *text, size_t n, void *to, size_t *ret_bytes) _nodiscard_;

#endif
