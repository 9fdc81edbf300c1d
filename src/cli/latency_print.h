/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_LATENCY_PRINT_H
#define CLI_LATENCY_PRINT_H

#include <stdio.h>

#include "cli/json.h"
#include "cli/latency.h"

/* "100 runs: min 1.20 ms, p50 ..., max ..." */
void latency_print(FILE *out, const char *what, const struct latency *latency);

/* An object. */
void latency_json(struct json *json, const struct latency *latency);

#endif
