/* SPDX-License-Identifier: Apache-2.0 */
/* Standard output, which never holds anyone up: what it does not take at once is lost, and told. */
#ifndef FRONT_PRINTER_H
#define FRONT_PRINTER_H

#include <stddef.h>

/* The whole of an answer in one write(). */
void printer_print(const char *text, size_t len);

#endif
