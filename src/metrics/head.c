/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head.h"

#include <string.h>

#define TARGET "/metrics"

static int on_url(llhttp_t *parser, const char *at, size_t n)
{
	struct head *head = parser->data;

	for (size_t i = 0; i < n && head->target_bytes + i < HEAD_TARGET_MAX; i++)
		head->target[head->target_bytes + i] = at[i];
	head->target_bytes += n;
	return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
	struct head *head = parser->data;

	head->is_complete = true;
	return HPE_PAUSED;
}

void head_init(struct head *head)
{
	static const llhttp_settings_t settings = { .on_url = on_url,
						    .on_headers_complete = on_headers_complete };

	*head = (struct head){ 0 };
	llhttp_init(&head->parser, HTTP_REQUEST, &settings);
	head->parser.data = head;
}

bool head_is_bodiless(const struct head *head)
{
	return head->is_complete && head->parser.method == HTTP_HEAD;
}

static bool is_target(const struct head *head)
{
	size_t n = head->target_bytes;

	if (n > HEAD_TARGET_MAX || n < strlen(TARGET) ||
	    memcmp(head->target, TARGET, strlen(TARGET)) != 0)
		return false;
	return n == strlen(TARGET) || head->target[strlen(TARGET)] == '?';
}

unsigned head_received(struct head *head, const void *bytes, size_t n)
{
	llhttp_errno_t error;

	head->bytes += n;
	error = llhttp_execute(&head->parser, bytes, n);
	if (!head->is_complete) {
		if (error != HPE_OK)
			return 400;
		return head->bytes > HEAD_BYTES_MAX ? 431 : 0;
	}
	if (head->parser.http_major != 1)
		return 400;
	if (head->parser.method != HTTP_GET && head->parser.method != HTTP_HEAD)
		return 405;
	return is_target(head) ? 200 : 404;
}
