/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/ports.h"

#include <stdio.h>

#include "base/status.h"
#include "supervisor/address.h"
#include "supervisor/quantity.h"
#include "supervisor/setting.h"

const struct ports ports_default = { .list = { ADDRESS_PORT }, .n = 1 };

bool ports_have(const struct ports *ports, uint64_t port)
{
	for (unsigned i = 0; i < ports->n; i++) {
		if (ports->list[i] == port)
			return true;
	}
	return false;
}

static int add(struct ports *ports, const char *word, size_t len, struct tensock_error *reterr)
{
	char text[16];
	uint64_t port;

	snprintf(text, sizeof(text), "%.*s", len < sizeof(text) ? (int)len : 15, word);
	if (len >= sizeof(text) || quantity_number(text, 1, ADDRESS_VSOCK_PORT_MAX, &port) < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"ports: '%.*s' is no vsock port; write numbers from 1 to %llu, as "
				"9999, 8000, 8001",
				len < 80 ? (int)len : 80, word,
				(unsigned long long)ADDRESS_VSOCK_PORT_MAX);
	if (ports_have(ports, port))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"ports: %s is there twice; name each port once", text);
	if (ports->n == PORTS_MAX)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"ports: there are more than %u; leave some out", PORTS_MAX);
	ports->list[ports->n++] = (uint32_t)port;
	return 0;
}

int ports_set(struct ports *ports, const char *value, struct tensock_error *reterr)
{
	const char *word;
	size_t len;
	int r = 0;

	if (ports->n)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "ports is given twice");
	while (r == 0 && (len = setting_word(&value, &word)) > 0)
		r = add(ports, word, len, reterr);
	if (r == 0 && !ports->n)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "ports has no value");
	return r;
}
