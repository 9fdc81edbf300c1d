/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of a file, to be found again: sorted, so that no choice of names makes a search slow.
 */
#ifndef TRANSLATE_MINDIR_MINDIR_NAMES_H
#define TRANSLATE_MINDIR_MINDIR_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "translate/graph.h"

struct mindir_name {
	struct onnx_text text;
	uint32_t place; /* what it was given */
};

struct mindir_names {
	struct mindir_name *items;
	size_t n;
};

/* Puts them in order; gives a name that occurs twice, or NULL. */
const struct mindir_name *mindir_names_sort(struct mindir_names *names);

/* The place of a name, or -1. */
int64_t mindir_names_find(const struct mindir_names *names, struct onnx_text text);

#endif
