/* SPDX-License-Identifier: Apache-2.0 */
#include "front/printer.h"

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

/* A service manager's socket may block, and only send() can be told not to wait. */
static ssize_t write_now(const char *text, size_t len)
{
	ssize_t n = send(STDOUT_FILENO, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 && errno == ENOTSOCK ? write(STDOUT_FILENO, text, len) : n;
}

void printer_print(const char *text, size_t len)
{
	static uint64_t lost;
	ssize_t n;

	if (len == 0)
		return;
	do
		n = write_now(text, len);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)len)
		return;
	lost++;
	tsk_warning("standard output took %zd of %zu bytes of an answer; %llu answers lost so far",
		    n < 0 ? (ssize_t)0 : n, len, (unsigned long long)lost);
}
