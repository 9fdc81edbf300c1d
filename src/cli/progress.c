/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/text.h"

/* What is over sooner needs no line. */
#define PATIENCE_NS (500 * TSK_NS_PER_MS)
#define INTERVAL_NS (100 * TSK_NS_PER_MS)
#define WIDTH_DEFAULT 80u
#define BAR_MAX 40u
/* Above this nobody knows. */
#define LEFT_MAX_S 360000.0

void progress_init(struct progress *progress)
{
	*progress = (struct progress){ .is_terminal = isatty(STDERR_FILENO) == 1,
				       .begin_ns = tsk_now_ns() };
}

static unsigned terminal_width(void)
{
	struct winsize size = { 0 };

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return WIDTH_DEFAULT;
	return size.ws_col;
}

/* "1:02:03", "0:07" */
static void print_time(char *ret, size_t size, uint64_t seconds)
{
	if (seconds >= 3600)
		snprintf(ret, size, "%" PRIu64 ":%02u:%02u", seconds / 3600,
			 (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60));
	else
		snprintf(ret, size, "%" PRIu64 ":%02u", seconds / 60, (unsigned)(seconds % 60));
}

void progress_line(char *ret, size_t size, unsigned width, uint64_t done_bytes,
		   uint64_t total_bytes, uint64_t sent_bytes, uint64_t elapsed_ns)
{
	char done[TEXT_QUANTITY_BYTES], total[TEXT_QUANTITY_BYTES], rate_text[TEXT_QUANTITY_BYTES];
	char left[32] = "?", figures[160], bar[BAR_MAX + 1];
	double rate = elapsed_ns ? (double)sent_bytes / (double)elapsed_ns * 1e9 : 0;
	double part = total_bytes ? (double)done_bytes / (double)total_bytes : 1;
	unsigned bar_width, filled;

	if (done_bytes > total_bytes)
		part = 1;
	else if (rate * LEFT_MAX_S > (double)(total_bytes - done_bytes))
		print_time(left, sizeof(left),
			   (uint64_t)((double)(total_bytes - done_bytes) / rate + 0.5));
	snprintf(figures, sizeof(figures), "%3u%%  %s of %s  %s/s  %s left", (unsigned)(part * 100),
		 text_size(done_bytes, done), text_size(total_bytes, total),
		 text_size((uint64_t)rate, rate_text), left);
	bar_width = width > strlen(figures) + 5 ? width - (unsigned)strlen(figures) - 3 : 0;
	if (bar_width > BAR_MAX)
		bar_width = BAR_MAX;
	filled = (unsigned)(part * bar_width);
	memset(bar, ' ', bar_width);
	memset(bar, '#', filled);
	bar[bar_width] = '\0';
	if (bar_width >= 5)
		snprintf(ret, size, "[%s] %s", bar, figures);
	else
		snprintf(ret, size, "%.*s", (int)width, figures);
}

void progress_hash_line(char *ret, size_t size, unsigned width, uint64_t total_bytes)
{
	char total[TEXT_QUANTITY_BYTES], text[64];

	snprintf(text, sizeof(text), "hashing %s", text_size(total_bytes, total));
	snprintf(ret, size, "%.*s", (int)width, text);
}

void progress_update(void *user, uint64_t done_bytes, uint64_t total_bytes)
{
	struct progress *progress = user;
	uint64_t now_ns = tsk_now_ns();
	char line[256];

	if (!progress->start_bytes) {
		progress->start_bytes = done_bytes;
		progress->start_ns = now_ns;
	}
	if (!progress->is_terminal || now_ns - progress->begin_ns < PATIENCE_NS ||
	    now_ns - progress->shown_ns < INTERVAL_NS || done_bytes < progress->start_bytes)
		return;
	progress->shown_ns = now_ns;
	progress->is_shown = true;
	if (done_bytes)
		progress_line(line, sizeof(line), terminal_width() - 1, done_bytes, total_bytes,
			      done_bytes - progress->start_bytes, now_ns - progress->start_ns);
	else
		progress_hash_line(line, sizeof(line), terminal_width() - 1, total_bytes);
	fprintf(stderr, "\r%s\033[K", line);
	fflush(stderr);
}

void progress_done(struct progress *progress)
{
	if (progress->is_shown)
		fputs("\r\033[K", stderr);
	progress->is_shown = false;
}
