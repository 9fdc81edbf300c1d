/* SPDX-License-Identifier: Apache-2.0 */
/* The guests that a tensockd of this host knows of, for people and in JSON. */
#ifndef CLI_GUESTS_H
#define CLI_GUESTS_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "wire/operator.h"

/* A daemon, and its guests in the order in which it told of them. */
struct guest_list {
	struct operator_answer daemon;
	char metrics[OPERATOR_TEXT_SIZE]; /* where it tells its metrics, or "" */
	struct operator_answer *guests;
	size_t n;
	bool is_lost; /* there was no room for more */
};

/* control: as for control_connect().  guest_list_done() also after a failure. */
int guest_list_ask(const char *control, struct guest_list *ret, struct tensock_error *reterr)
	_nodiscard_;
void guest_list_done(struct guest_list *list);

/* How it comes: "device", "hybrid" ... */
const char *guest_kind(const struct operator_answer *guest);

/* For control_ask(): keeps the GUEST in *user, a struct operator_answer. */
void guest_keep(void *user, const struct operator_answer *answer);

void guest_print_json(const struct operator_answer *guest);

/* What its VMM has to be told. */
void guest_print_attached(const struct operator_answer *guest);

#endif
