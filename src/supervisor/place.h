/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets that a configuration asks for: where each is, and who it is that comes in there. */
#ifndef SUPERVISOR_PLACE_H
#define SUPERVISOR_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "supervisor/address.h"
#include "supervisor/config.h"

/* Every kind of socket that is accepted on. */
enum listener_kind {
	LISTENER_VSOCK,  /* guests of the kernel's vsock: "cid-N", by the peer's address */
	LISTENER_UNIX,   /* programs of this host: "uid-N", by SO_PEERCRED */
	LISTENER_HYBRID, /* a VMM's hybrid vsock, PATH_PORT: the guest that the path is for */
	LISTENER_TCP,    /* loopback: all of them are "tcp" */
	LISTENER_VHOST,  /* a VMM's vhost-user connection: the guest that the path is for */
	LISTENER_HOST,   /* host programs that want a port of that guest */
	LISTENER_HOST_SEQPACKET, /* the same, over a seqpacket socket */
	LISTENER_CONTROL,        /* operators: of no guest */
	LISTENER_METRICS,        /* operators' programs, at a path: tensock-metrics accepts them */
	LISTENER_KIND_MAX
};

struct place {
	enum listener_kind kind;
	char guest[FRONT_NAME_SIZE];  /* HYBRID, VHOST, HOST, HOST_SEQPACKET */
	char path[ADDRESS_PATH_SIZE]; /* of the file; empty for VSOCK and TCP */
	uint32_t port, ipv4; /* VSOCK, TCP: as in struct address; HYBRID: the port in the path */
	bool may_be_missing;          /* VSOCK: not where the kernel has none */
};

struct places {
	struct place *list;
	unsigned n;
};

void places_done(struct places *places);

int places_add(struct places *places, const struct place *place) _nodiscard_;

/* The kernel's vsock at these ports, where it has one.  -ENOMEM. */
int places_add_vsock(struct places *places, const struct ports *ports) _nodiscard_;

/* The control socket that is given, what is listened at, the sockets of all guests; the default places are
 * not among them.  -ENOMEM. */
int places_add_config(struct places *places, const struct config *config) _nodiscard_;
int places_add_guest(struct places *places, const struct config *config,
		     const struct config_guest *guest) _nodiscard_;

bool place_equals(const struct place *a, const struct place *b);
bool places_have(const struct places *places, const struct place *place);

/* SOCK_STREAM or SOCK_SEQPACKET */
int place_socket_type(const struct place *place);

/* The address, for people. */
void place_format(const struct place *place, char ret[ADDRESS_TEXT_SIZE]);

/*
 * Whether fd, which somebody else has opened, is a socket that listens just there.  Port 0 is any.
 * -EINVAL: it is none that listens; -EADDRNOTAVAIL: it is one of another place; or another -errno.
 */
int place_check(const struct place *place, int fd) _nodiscard_;

#endif
