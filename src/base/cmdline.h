/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel's command line says.  CID 2 is the host of the machine that a program runs on: on a
 * host that is a VM itself, somebody else's, who has not asked for our bytes.  So nothing goes there by
 * default unless whoever boots the guest has put "vsguest=1" there.
 */
#ifndef TSK_BASE_CMDLINE_H
#define TSK_BASE_CMDLINE_H

#include <stdbool.h>

/* Whether "vsguest=1" is one of the words. */
bool tsk_words_say_guest(const char *words);

/* Whether this kernel's command line has it; false where it cannot be read. */
bool tsk_is_said_guest(void);

#endif
