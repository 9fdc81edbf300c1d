/* SPDX-License-Identifier: Apache-2.0 */
/* The vsock ports at which a guest reaches Tensock, each with any protocol: "ports" of the configuration. */
#ifndef SUPERVISOR_PORTS_H
#define SUPERVISOR_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "channel/front_control.h"

#define PORTS_MAX FRONT_PORTS_MAX

struct ports {
	uint32_t list[PORTS_MAX]; /* in the operator's order, none twice */
	unsigned n;               /* 0: not said */
};

/* Where nobody has said anything: 9999 alone. */
extern const struct ports ports_default;

/* The value of "ports", which may not come again.  0, or -errno with a sentence. */
int ports_set(struct ports *ports, const char *value, struct tensock_error *reterr) _nodiscard_;

bool ports_have(const struct ports *ports, uint64_t port);

#endif
