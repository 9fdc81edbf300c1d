/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a model, told. */
#ifndef CLI_MODEL_PRINT_H
#define CLI_MODEL_PRINT_H

#include "cli/json.h"
#include "cli/model.h"

/* "name:version", or "-" where it has none. */
void model_print_label(FILE *out, const struct tensock_model_info *info);

/* An object; has_tensors: with inputs and outputs. */
void model_json(struct json *json, const struct tensock_model_info *info, bool has_tensors);

/* The shape of a tensor: an array of numbers. */
void model_json_shape(struct json *json, const int64_t *dims, uint32_t rank);

#endif
