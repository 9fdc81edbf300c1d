/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "supervisor/quantity.h"

int address_check_path(const char *path, size_t suffix_bytes, struct tensock_error *reterr)
{
	size_t len = strlen(path);

	if (len == 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "the path is empty");
	if (len >= ADDRESS_PATH_SIZE - suffix_bytes)
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"the path has %zu bytes, a Unix socket's can have %zu%s; use a shorter one",
			len, ADDRESS_PATH_SIZE - suffix_bytes - 1,
			suffix_bytes ? " here, as _PORT is put behind it" : "");
	return 0;
}

static bool name_is_reserved(const char *name)
{
	return strcmp(name, "tcp") == 0 || strcmp(name, "shared") == 0 ||
	       strncmp(name, "uid-", 4) == 0 || strncmp(name, "cid-", 4) == 0;
}

int address_check_name(const char *name, struct tensock_error *reterr)
{
	size_t len = strlen(name);

	if (len == 0 || len >= FRONT_NAME_SIZE || !isalnum((unsigned char)name[0]))
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"'%.80s' is no guest's name: use 1 to %u letters, digits, '.', '_', '-', beginning with a letter or digit",
			name, FRONT_NAME_SIZE - 1);
	for (const char *p = name; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			return tsk_fail(
				reterr, TENSOCK_INVALID_ARGUMENT,
				"'%.80s' is no guest's name: only letters, digits, '.', '_' and '-' can be in it",
				name);
	}
	if (name_is_reserved(name))
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"the name '%.80s' is kept for guests that connect by another way; choose another",
			name);
	return 0;
}

static int parse_vsock(const char *rest, struct address *ret, struct tensock_error *reterr)
{
	uint64_t port;

	if (quantity_number(rest, 1, ADDRESS_VSOCK_PORT_MAX, &port) < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"'%.80s' is no vsock port; write vsock:9999", rest);
	ret->port = (uint32_t)port;
	return 0;
}

static int parse_unix(const char *rest, struct address *ret, struct tensock_error *reterr)
{
	int r = address_check_path(rest, 0, reterr);

	if (r < 0)
		return r;
	snprintf(ret->path, sizeof(ret->path), "%s", rest);
	return 0;
}

static int parse_hybrid(const char *rest, struct address *ret, struct tensock_error *reterr)
{
	const char *equals = strchr(rest, '=');
	size_t len = equals ? (size_t)(equals - rest) : 0;
	int r;

	if (len == 0 || len >= sizeof(ret->name))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"'%.80s' lacks a name of 1 to %u bytes; write hybrid:NAME=PATH",
				rest, FRONT_NAME_SIZE - 1);
	memcpy(ret->name, rest, len);
	r = address_check_name(ret->name, reterr);
	if (r == 0)
		r = address_check_path(equals + 1, ADDRESS_SUFFIX_MAX, reterr);
	if (r < 0)
		return r;
	snprintf(ret->path, sizeof(ret->path), "%s", equals + 1);
	return 0;
}

static int parse_tcp(const char *rest, struct address *ret, struct tensock_error *reterr)
{
	const char *colon = strrchr(rest, ':');
	char host[INET_ADDRSTRLEN] = "";
	struct in_addr ip;
	uint64_t port;

	if (colon && (size_t)(colon - rest) < sizeof(host))
		memcpy(host, rest, (size_t)(colon - rest));
	/* Without a colon host is empty, which is no address either. */
	if (inet_pton(AF_INET, host, &ip) != 1 || quantity_number(colon + 1, 0, 65535, &port) < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"'%.80s' is no address and port; write tcp:127.0.0.1:9999", rest);
	ret->ipv4 = ntohl(ip.s_addr);
	if (ret->ipv4 >> 24 != 127)
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"%s is not a loopback address, and TCP peers have no identity; use 127.0.0.1, and a tunnel for what comes from elsewhere",
			host);
	ret->port = (uint32_t)port;
	return 0;
}

static const struct {
	const char *prefix;
	int (*parse)(const char *rest, struct address *ret, struct tensock_error *reterr);
} kinds[] = {
	[ADDRESS_VSOCK] = { "vsock:", parse_vsock },
	[ADDRESS_UNIX] = { "unix:", parse_unix },
	[ADDRESS_HYBRID] = { "hybrid:", parse_hybrid },
	[ADDRESS_TCP] = { "tcp:", parse_tcp },
};
static_assert(ARRAY_SIZE(kinds) == ADDRESS_KIND_MAX, "a kind of address lacks its row");
static_assert(sizeof(ADDRESS_SEQPACKET_SUFFIX) - 1 <= ADDRESS_SUFFIX_MAX, "a PATH may be too long");

int address_parse(const char *text, struct address *ret, struct tensock_error *reterr)
{
	for (unsigned i = 0; i < ADDRESS_KIND_MAX; i++) {
		struct address address = { .kind = (enum address_kind)i };
		size_t len = strlen(kinds[i].prefix);
		int r;

		if (strncmp(text, kinds[i].prefix, len) != 0)
			continue;
		r = kinds[i].parse(text + len, &address, reterr);
		if (r == 0)
			*ret = address;
		return r;
	}
	return tsk_fail(
		reterr, TENSOCK_INVALID_ARGUMENT,
		"'%.80s' is no address; write vsock:PORT, unix:PATH, hybrid:NAME=PATH or tcp:127.0.0.1:PORT",
		text);
}

void address_format(const struct address *address, char ret[ADDRESS_TEXT_SIZE])
{
	const char *prefix = kinds[address->kind].prefix;
	uint32_t ip = address->ipv4;

	switch (address->kind) {
	case ADDRESS_VSOCK:
		snprintf(ret, ADDRESS_TEXT_SIZE, "%s%u", prefix, address->port);
		break;
	case ADDRESS_UNIX:
		snprintf(ret, ADDRESS_TEXT_SIZE, "%s%s", prefix, address->path);
		break;
	case ADDRESS_HYBRID:
		snprintf(ret, ADDRESS_TEXT_SIZE, "%s%s=%s", prefix, address->name, address->path);
		break;
	case ADDRESS_TCP:
		snprintf(ret, ADDRESS_TEXT_SIZE, "%s%u.%u.%u.%u:%u", prefix, ip >> 24,
			 ip >> 16 & 255, ip >> 8 & 255, ip & 255, address->port);
		break;
	case ADDRESS_KIND_MAX:
		break;
	}
}
