/* SPDX-License-Identifier: Apache-2.0 */
/* What sealing takes of the kernel, and whether this one has it. */
#ifndef SANDBOX_FEATURE_H
#define SANDBOX_FEATURE_H

#include "base/cleanup.h"

enum sandbox_feature {
	SANDBOX_SECCOMP = 1u << 0,    /* filters of system calls */
	SANDBOX_LANDLOCK = 1u << 1,   /* giving up files and the network */
	SANDBOX_NAMESPACES = 1u << 2, /* an own network, an own root, another identity */
};

#define SANDBOX_FEATURES 3u
#define SANDBOX_ALL ((1u << SANDBOX_FEATURES) - 1)
#define SANDBOX_TEXT_SIZE 64u

/* Those that this process cannot have, by trying; starts a process that ends at once. */
unsigned sandbox_missing(void);

/* "landlock, namespaces", or "none". */
void sandbox_features_text(unsigned features, char ret[SANDBOX_TEXT_SIZE]);

/* One feature's: why it may be missing, and what to do, as a sentence's end. */
const char *sandbox_feature_advice(enum sandbox_feature feature);

/* "yes" (all), "no", or names with commas between them.  -EINVAL for anything else. */
int sandbox_features_parse(const char *text, unsigned *ret) _nodiscard_;

#endif
