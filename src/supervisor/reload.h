/* SPDX-License-Identifier: Apache-2.0 */
/* SIGHUP: the configuration is read again, and what it says holds from then on. */
#ifndef SUPERVISOR_RELOAD_H
#define SUPERVISOR_RELOAD_H

#include "supervisor/daemon.h"

/* All of it or, with a line in the log that says why, nothing. */
void reload(struct daemon *d);

#endif
