/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engines that the operator has: [engine NAME] of the configuration, --engine of the command line,
 * and the built-in ones, whose plug-ins come with tensockd.
 */
#ifndef SUPERVISOR_ENGINES_H
#define SUPERVISOR_ENGINES_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "channel/front_control.h"

#define ENGINES_MAX 8u
#define ENGINES_THREADS_MAX 256u /* what the plug-ins take */
#define ENGINES_PARALLEL_MAX 64u /* what the worker takes */
#define ENGINES_PATH_MAX 1024u

struct engine {
	char name[FRONT_NAME_SIZE];
	char plugin[ENGINES_PATH_MAX];  /* empty: built in, beside the programs */
	char library[ENGINES_PATH_MAX]; /* empty: the plug-in knows */
	uint64_t threads;               /* 0: not given, until engines_finish() */
	uint64_t parallel;              /* 0: not given; the worker knows */
	int fp16;                       /* -1: not given; the plug-in knows */
	int enabled;                    /* -1: not given */
	int generates_code;             /* -1: not given, which is no */
	bool may_be_missing;            /* where there is no library, the host does without */
};

struct engines {
	struct engine
		list[ENGINES_MAX]; /* first the sections, then what is on: preferred ones first */
	unsigned n;
	char only[ENGINES_MAX][FRONT_NAME_SIZE]; /* as --engine has them */
	unsigned n_only;
};

/* [engine NAME]: engines_set() goes to it from now on. */
int engines_begin(struct engines *engines, const char *name, struct tensock_error *reterr)
	_nodiscard_;

/* A key of the section that was begun last.  0, or 1 where there is no such key, or -errno. */
int engines_set(struct engines *engines, const char *key, const char *value,
		struct tensock_error *reterr) _nodiscard_;

/* This engine is on, and no other but those of further calls; their order is the preference's. */
int engines_add_only(struct engines *engines, const char *name, struct tensock_error *reterr)
	_nodiscard_;

/*
 * Makes of the sections what is on.  Without engines_add_only() these are the sections that are not
 * disabled, in their order; and behind them the built-in engines that have none, unless one of the
 * sections has a plug-in of its own.
 */
int engines_finish(struct engines *engines, struct tensock_error *reterr) _nodiscard_;

/* NULL when there is none of that name. */
const struct engine *engines_find(const struct engines *engines, const char *name);

#endif
