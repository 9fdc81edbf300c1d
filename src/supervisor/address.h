/* SPDX-License-Identifier: Apache-2.0 */
/* Where the daemon listens, as written: "vsock:9999", "unix:PATH", "hybrid:NAME=PATH" ... */
#ifndef SUPERVISOR_ADDRESS_H
#define SUPERVISOR_ADDRESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "channel/front_control.h"

#define ADDRESS_PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)
/* The longest of what is put behind a PATH: "_4294967295". */
#define ADDRESS_SUFFIX_MAX 11u
#define ADDRESS_SEQPACKET_SUFFIX ".seqpacket"
#define ADDRESS_TEXT_SIZE (ADDRESS_PATH_SIZE + FRONT_NAME_SIZE + 32)
#define ADDRESS_PORT 9999u                          /* of Tensock, where nothing else is said */
#define ADDRESS_VSOCK_PORT_MAX UINT32_C(0xfffffffe) /* VMADDR_PORT_ANY is not a port */

enum address_kind {
	ADDRESS_VSOCK,  /* port */
	ADDRESS_UNIX,   /* path */
	ADDRESS_HYBRID, /* name, path: the listeners are path_PORT, for each of the guest's ports */
	ADDRESS_TCP,    /* ipv4 (host byte order; loopback only), port (0: the kernel picks one) */
	ADDRESS_KIND_MAX
};

struct address {
	enum address_kind kind;
	uint32_t port;
	uint32_t ipv4;
	char name[FRONT_NAME_SIZE];
	char path[ADDRESS_PATH_SIZE];
};

/* The error says what is wrong and what would be right. */
int address_parse(const char *text, struct address *ret, struct tensock_error *reterr) _nodiscard_;

/* As address_parse() takes it. */
void address_format(const struct address *address, char ret[ADDRESS_TEXT_SIZE]);

/* Whether a path, with suffix_bytes put behind it, can be a Unix socket's; the error says why not. */
int address_check_path(const char *path, size_t suffix_bytes, struct tensock_error *reterr)
	_nodiscard_;

/*
 * Whether an operator may call a guest so: 1 to 63 of [A-Za-z0-9._-], the first a letter or digit,
 * and none of the names that connections give: "tcp", "shared", "uid-..", "cid-..".
 */
int address_check_name(const char *name, struct tensock_error *reterr) _nodiscard_;

#endif
