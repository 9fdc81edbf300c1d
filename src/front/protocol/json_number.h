/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as JSON has them: exact integers, and the shortest decimal that reads back as the same float. */
#ifndef PROTOCOL_JSON_NUMBER_H
#define PROTOCOL_JSON_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#define JSON_NUMBER_MAX 24u /* characters of a number, a double among them */

/* Each writes at most JSON_NUMBER_MAX characters, and returns where they end. */
char *json_write_uint(char *to, uint64_t v);
char *json_write_int(char *to, int64_t v);

/*
 * "0.1", "3.0", "1.5e-7"; where JSON has no number, what Python and Triton write and read: NaN, Infinity,
 * -Infinity.
 */
char *json_write_float(char *to, float v);

/* n of them, with commas between; *to moves.  -ENOMEM never but for a fault of ours. */
#define JSON_DOUBLES_MAX 128u
int json_write_doubles(char **to, const double *v, size_t n);

#endif
