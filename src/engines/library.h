/* SPDX-License-Identifier: Apache-2.0 */
/* The library proper of an engine.  Compiled into each plug-in, which links to nothing of ours. */
#ifndef ENGINES_LIBRARY_H
#define ENGINES_LIBRARY_H

#include <tensock/engine.h>

/*
 * The file that the option "library" names; else `name` beside this plug-in, which is how it is installed
 * and how a build folder has it; else where the system has it.  NULL, and dlerror() tells.
 */
void *engine_library_open(const struct tensock_host *host, const char *name);

#endif
