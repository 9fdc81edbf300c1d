/* SPDX-License-Identifier: Apache-2.0 */
/* The guests that a tensockd of this host knows of, for people and in JSON. */
#ifndef CLI_GUESTS_H
#define CLI_GUESTS_H

#include "wire/operator.h"

/* For control_ask(): keeps the GUEST in *user, a struct operator_answer. */
void guest_keep(void *user, const struct operator_answer *answer);

void guest_print_json(const struct operator_answer *guest);

/* What its VMM has to be told. */
void guest_print_attached(const struct operator_answer *guest);

#endif
