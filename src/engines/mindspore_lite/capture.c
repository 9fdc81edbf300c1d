/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/mindspore_lite/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "mindspore_lite: "
#define LINE_MAX_BYTES 512u
#define LAST_WORDS_BYTES 2048u

static const int signals[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV };

#define N_SIGNALS (sizeof(signals) / sizeof(signals[0]))

/* For the signal handler: the capture that is under way. */
static struct capture *volatile active;
static struct sigaction before[N_SIGNALS];

static void close_all(struct capture *capture)
{
	const int fds[] = { capture->reader, capture->writer, capture->saved[0],
			    capture->saved[1] };

	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	capture->reader = capture->writer = capture->saved[0] = capture->saved[1] = -1;
	capture->is_on = false;
}

static void redirect(const int to[2])
{
	dup2(to[0], STDOUT_FILENO);
	dup2(to[1], STDERR_FILENO);
}

/* Async-signal-safe, as all that the handler calls. */

/* The last bytes that are in the pipe: their number. */
static size_t read_last(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	for (;;) {
		if (len == size) {
			len = size / 2;
			memmove(buf, buf + size - len, len);
		}
		n = read(fd, buf + len, size - len);
		if (n <= 0)
			return len;
		len += (size_t)n;
	}
}

static void write_line(const char *line, size_t len)
{
	char out[sizeof(PREFIX) + LINE_MAX_BYTES];
	size_t n = sizeof(PREFIX) - 1;

	if (!len)
		return;
	memcpy(out, PREFIX, n);
	for (size_t i = 0; i < len && i < LINE_MAX_BYTES; i++)
		out[n++] = line[i] >= ' ' && line[i] <= '~' ? line[i] : '?';
	out[n++] = '\n';
	(void)!write(STDERR_FILENO, out, n);
}

static void write_last_words(struct capture *capture)
{
	static char words[LAST_WORDS_BYTES];
	size_t len = read_last(capture->reader, words, sizeof(words)), start = 0;

	for (size_t i = 0; i < len; i++) {
		if (words[i] != '\n')
			continue;
		write_line(words + start, i - start);
		start = i + 1;
	}
	write_line(words + start, len - start);
}

/* Then the signal does what it would have done without us. */
static void on_signal(int number)
{
	struct capture *capture = active;
	int saved_errno = errno;

	active = NULL;
	if (capture) {
		redirect(capture->saved);
		write_last_words(capture);
	}
	for (unsigned i = 0; i < N_SIGNALS; i++) {
		if (signals[i] == number)
			sigaction(number, &before[i], NULL);
	}
	/* It is blocked here, and comes again as soon as this returns. */
	raise(number);
	errno = saved_errno;
}

static void watch_signals(bool on)
{
	struct sigaction action = { .sa_handler = on_signal };

	for (unsigned i = 0; i < N_SIGNALS; i++)
		sigaction(signals[i], on ? &action : &before[i], on ? &before[i] : NULL);
}

void capture_init(struct capture *capture, const struct tensock_host *host)
{
	int fds[2] = { -1, -1 };

	*capture = (struct capture){ .host = host };
	/* Without O_NONBLOCK a library that prints more than the pipe holds would wait for ever. */
	capture->is_on = pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0;
	capture->reader = fds[0];
	capture->writer = fds[1];
	capture->saved[0] = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	capture->saved[1] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (!capture->is_on || capture->saved[0] < 0 || capture->saved[1] < 0) {
		close_all(capture);
		return;
	}
	/* Else its last words would lie in this process's memory when it is killed. */
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	watch_signals(true);
}

void capture_done(struct capture *capture)
{
	if (capture->is_on)
		watch_signals(false);
	close_all(capture);
}

void capture_begin(struct capture *capture)
{
	const int to[] = { capture->writer, capture->writer };

	if (!capture->is_on)
		return;
	fflush(stdout);
	redirect(to);
	active = capture;
}

static void log_line(const struct capture *capture, const char *line, size_t len)
{
	char text[sizeof(PREFIX) + LINE_MAX_BYTES];

	if (!len)
		return;
	snprintf(text, sizeof(text), PREFIX "%.*s", (int)len, line);
	capture->host->log(capture->host->context, TENSOCK_LOG_DEBUG, text);
}

/* Lines that are longer than the buffer come in pieces. */
static void log_lines(const struct capture *capture)
{
	char buf[LINE_MAX_BYTES];
	size_t len = 0;
	ssize_t n;

	while ((n = read(capture->reader, buf + len, sizeof(buf) - len)) > 0) {
		size_t start = 0;
		char *end;

		len += (size_t)n;
		while ((end = memchr(buf + start, '\n', len - start))) {
			log_line(capture, buf + start, (size_t)(end - buf) - start);
			start = (size_t)(end - buf) + 1;
		}
		if (start == 0 && len == sizeof(buf)) {
			log_line(capture, buf, len);
			start = len;
		}
		len -= start;
		memmove(buf, buf + start, len);
	}
	log_line(capture, buf, len);
}

void capture_end(struct capture *capture)
{
	if (!capture->is_on)
		return;
	fflush(stdout);
	active = NULL;
	redirect(capture->saved);
	log_lines(capture);
}
