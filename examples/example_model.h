/* SPDX-License-Identifier: Apache-2.0 */
/* What the examples have in common: a model that a host runs, and sentences when it does not. */
#ifndef EXAMPLE_MODEL_H
#define EXAMPLE_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <tensock/tensock.h>

struct example_model {
	const char *program, *path; /* for what is said to people; the caller's */
	struct tensock_client *client;
	struct tensock_model *model;
	bool failed;      /* an inference did: the next ones would not go better */
	bool in_progress; /* the terminal's line says how far it is, and has no end yet */
};

/* One input and one output: the element types, and the last dimensions (0: any) of as many as rank. */
struct example_shape {
	uint32_t dtype, rank;
	int64_t last_dim;
};

/*
 * Has the host at that address (NULL: the default) hold the model of the file at path, by that name
 * as well.  Its bytes go to the host only the first time; on a terminal one sees how far they are.
 * False after having said why.
 */
bool example_model_open(const char *program, const char *address, const char *path,
			const char *name, struct example_model *ret);
void example_model_done(struct example_model *model);

/* The model has one input and one output, which are like that.  False after having said so. */
bool example_model_is(const struct example_model *model, struct example_shape input,
		      struct example_shape output);

/* One inference.  False after having said why. */
bool example_model_run(struct example_model *model, const struct tensock_input *input,
		       struct tensock_output *output);

/* A text file that belongs to a model. */
struct example_table {
	const char *program; /* for what is said to people */
	const char *path;    /* as it was named; NULL: the model's with suffix instead of ".onnx" */
	const char *model_path, *suffix;
	/* 0, or -errno; *ret_line is the number of the line that is wrong, where one is. */
	int (*read)(FILE *file, void *ret, unsigned *ret_line);
};

/* Reads it into ret.  False after having said why. */
bool example_table_read(const struct example_table *table, void *ret);

#endif
