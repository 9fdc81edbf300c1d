/* SPDX-License-Identifier: Apache-2.0 */
/* A tensor's values, for people and for programs. */
#ifndef CLI_VALUES_H
#define CLI_VALUES_H

#include <stdint.h>
#include <stdio.h>

#include "cli/json.h"

/* As many as the seed printed. */
#define VALUES_SHOWN 51u

/*
 * The first n_max values in one line, as the host prints those of the seed ("%g"); of texts the first 256
 * bytes each.  Says how many more there are.
 */
void values_print(FILE *out, uint32_t dtype, const void *data, uint64_t bytes, uint64_t n_elems,
		  uint64_t n_max);

/* The same as an array, numbers exactly, complex ones as [real, imaginary], texts whole. */
void values_json(struct json *json, uint32_t dtype, const void *data, uint64_t bytes,
		 uint64_t n_max);

#endif
