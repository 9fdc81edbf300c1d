/* SPDX-License-Identifier: Apache-2.0 */
/* What people read: texts of others made harmless, and quantities. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * A text that a model or a host has given: '?' for each character that would control a terminal
 * (C0, DEL, C1), change the direction of writing or end a line, and for each byte that is not UTF-8.
 */
void text_print_bytes(FILE *out, const void *text, size_t n);
void text_print(FILE *out, const char *text);

#define TEXT_QUANTITY_BYTES 32u

/* "512 B", "1.5 MiB" · "250 µs", "1.20 ms", "3.4 s".  Returns buf. */
const char *text_size(uint64_t bytes, char buf[static TEXT_QUANTITY_BYTES]);
const char *text_duration(uint64_t ns, char buf[static TEXT_QUANTITY_BYTES]);

/* The shortest decimal that reads back as v, a double or else a float.  "nan", "inf", "-inf". */
const char *text_number(double v, bool is_double, char buf[static TEXT_QUANTITY_BYTES]);

#endif
