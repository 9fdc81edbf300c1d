/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outputs of a .ms file, in its author's order.  The library gives them in the order of a hash table,
 * with their names only; which is first stands in the file itself.  It is a FlatBuffer (model.fbs of
 * MindSpore Lite 1.2 to 2.7), and these few fields of it are read here: nothing else of it matters to us,
 * and what is wrong with it is the library's to say.
 */
#ifndef ENGINE_MINDSPORE_LITE_OUTPUTS_H
#define ENGINE_MINDSPORE_LITE_OUTPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An output: the library calls it by its name, or where it has none by its tensor's number. */
struct ms_output {
	const char *name; /* in the file, not terminated; may be NULL where name_bytes is 0 */
	uint32_t name_bytes;
	uint32_t number;
};

/* The first max outputs: their number, 0 where they cannot be read.  Every byte is hostile. */
uint32_t ms_outputs_read(const void *bytes, size_t n_bytes, struct ms_output *ret, uint32_t max);

/* Whether the library would call it so. */
bool ms_output_is(const struct ms_output *output, const char *name);

#endif
