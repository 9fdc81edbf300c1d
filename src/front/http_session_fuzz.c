/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 to a whole front (session_fuzz.h): what goes out are whole answers, each of which says its
 * length.
 *
 * The corpus loads a model; no other will be found by chance.
 */
#include "front/http_session.h"

#include <string.h>

#include "front/http_output.h"
#include "front/session_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	char head[HTTP_OUTPUT_HEAD_MAX + 1];
	size_t n, left;
	bool has_head; /* a HEAD is somewhere: answers to it say the length of what they do not have */
	bool waits; /* for a region, perhaps, which the supervisor that is played here does not open */
} taken;

static void take_head(void)
{
	const char *length = strstr(taken.head, "\r\nContent-Length: ");

	taken.n = 0;
	check(strncmp(taken.head, "HTTP/1.1 ", 9) == 0);
	if (strncmp(taken.head, "HTTP/1.1 100 ", 13) == 0)
		return;
	check(length);
	taken.left = strtoul(length + 18, NULL, 10);
}

static void take_bytes(const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n && !taken.has_head; i++) {
		if (taken.left) {
			taken.left--;
			continue;
		}
		check(taken.n < HTTP_OUTPUT_HEAD_MAX);
		taken.head[taken.n++] = (char)bytes[i];
		taken.head[taken.n] = '\0';
		/* First what is cheap: libFuzzer looks into each strcmp(). */
		if (bytes[i] == '\n' && taken.n >= 4 &&
		    strcmp(taken.head + taken.n - 4, "\r\n\r\n") == 0)
			take_head();
	}
}

static void look_over_taken(bool has_ended, bool is_finished)
{
	check(is_finished || !has_ended || taken.waits);
	if (is_finished)
		check(taken.n == 0 && taken.left == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct session_fuzz fuzz = { .protocol = &http_protocol,
						  .take = take_bytes,
						  .look_over = look_over_taken };

	memset(&taken, 0, sizeof(taken));
	taken.has_head = memmem(data, size, "HEAD", 4) != NULL;
	taken.waits = memmem(data, size, "register", 8) != NULL;
	return session_fuzz(&fuzz, data, size);
}
