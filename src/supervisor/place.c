/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/place.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void places_done(struct places *places)
{
	free(places->list);
	*places = (struct places){ 0 };
}

int places_add(struct places *places, const struct place *place)
{
	struct place *list = reallocarray(places->list, places->n + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	places->list = list;
	list[places->n++] = *place;
	return 0;
}

/* path and suffix fit, as address_check_path() has it: what does not is cut. */
static int add_file(struct places *places, struct place place, const char *guest, const char *path,
		    const char *suffix)
{
	char whole[ADDRESS_PATH_SIZE + ADDRESS_SUFFIX_MAX];

	if (!path[0])
		return 0;
	snprintf(whole, sizeof(whole), "%s%s", path, suffix);
	snprintf(place.guest, sizeof(place.guest), "%s", guest);
	memcpy(place.path, whole, sizeof(place.path) - 1);
	return places_add(places, &place);
}

static int add_path(struct places *places, enum listener_kind kind, const char *guest,
		    const char *path, const char *suffix)
{
	return add_file(places, (struct place){ .kind = kind }, guest, path, suffix);
}

/* One for each port of the guest. */
static int add_hybrid(struct places *places, const struct config *config, const char *guest,
		      const char *path)
{
	const struct ports *ports = config_ports(config, guest);
	int r = 0;

	for (unsigned i = 0; i < ports->n && r == 0; i++) {
		struct place place = { .kind = LISTENER_HYBRID, .port = ports->list[i] };
		char port[ADDRESS_SUFFIX_MAX + 1];

		snprintf(port, sizeof(port), "_%u", place.port);
		r = add_file(places, place, guest, path, port);
	}
	return r;
}

static int add_address(struct places *places, const struct config *config,
		       const struct address *address)
{
	struct place place = { .port = address->port, .ipv4 = address->ipv4 };

	switch (address->kind) {
	case ADDRESS_VSOCK:
		place.kind = LISTENER_VSOCK;
		return places_add(places, &place);
	case ADDRESS_TCP:
		place.kind = LISTENER_TCP;
		return places_add(places, &place);
	case ADDRESS_UNIX:
		return add_path(places, LISTENER_UNIX, "", address->path, "");
	case ADDRESS_HYBRID:
		return add_hybrid(places, config, address->name, address->path);
	case ADDRESS_KIND_MAX:
		break;
	}
	return -EINVAL;
}

int places_add_guest(struct places *places, const struct config *config,
		     const struct config_guest *guest)
{
	int r = add_hybrid(places, config, guest->name, guest->hybrid);

	if (r == 0)
		r = add_path(places, LISTENER_HOST, guest->name, guest->uds, "");
	if (r == 0)
		r = add_path(places, LISTENER_HOST_SEQPACKET, guest->name, guest->uds,
			     ADDRESS_SEQPACKET_SUFFIX);
	return r < 0 ? r : add_path(places, LISTENER_VHOST, guest->name, guest->vhost_socket, "");
}

int places_add_vsock(struct places *places, const struct ports *ports)
{
	int r = 0;

	for (unsigned i = 0; i < ports->n && r == 0; i++) {
		const struct place place = { .kind = LISTENER_VSOCK,
					     .port = ports->list[i],
					     .may_be_missing = true };

		r = places_add(places, &place);
	}
	return r;
}

int places_add_config(struct places *places, const struct config *config)
{
	int r = 0;

	if (strcmp(config->control, CONFIG_NO_CONTROL) != 0)
		r = add_path(places, LISTENER_CONTROL, "", config->control, "");
	for (unsigned i = 0; i < config->n_listens && r == 0; i++)
		r = add_address(places, config, &config->listens[i]);
	for (unsigned i = 0; i < config->n_guests && r == 0; i++)
		r = places_add_guest(places, config, &config->guests[i]);
	return r;
}

bool place_equals(const struct place *a, const struct place *b)
{
	return a->kind == b->kind && a->port == b->port && a->ipv4 == b->ipv4 &&
	       strcmp(a->guest, b->guest) == 0 && strcmp(a->path, b->path) == 0;
}

bool places_have(const struct places *places, const struct place *place)
{
	for (unsigned i = 0; i < places->n; i++) {
		if (place_equals(&places->list[i], place))
			return true;
	}
	return false;
}

int place_socket_type(const struct place *place)
{
	return place->kind == LISTENER_HOST_SEQPACKET || place->kind == LISTENER_CONTROL
		       ? SOCK_SEQPACKET
		       : SOCK_STREAM;
}

void place_format(const struct place *place, char ret[ADDRESS_TEXT_SIZE])
{
	static const char *const words[LISTENER_KIND_MAX] = {
		[LISTENER_UNIX] = "unix",          [LISTENER_HYBRID] = "hybrid",
		[LISTENER_VHOST] = "vm",           [LISTENER_HOST] = "uds",
		[LISTENER_HOST_SEQPACKET] = "uds", [LISTENER_CONTROL] = "control",
		[LISTENER_METRICS] = "unix",
	};
	struct address address = { .port = place->port, .ipv4 = place->ipv4 };
	char port[sizeof(" (port 4294967295)")] = "", suffix[ADDRESS_SUFFIX_MAX + 1];
	int len = (int)strlen(place->path);

	if (place->kind == LISTENER_VSOCK || place->kind == LISTENER_TCP) {
		address.kind = place->kind == LISTENER_TCP ? ADDRESS_TCP : ADDRESS_VSOCK;
		address_format(&address, ret);
		return;
	}
	/* As the operator has written it. */
	if (place->kind == LISTENER_HYBRID) {
		len -= snprintf(suffix, sizeof(suffix), "_%u", place->port);
		if (place->port != ADDRESS_PORT)
			snprintf(port, sizeof(port), " (port %u)", place->port);
	}
	snprintf(ret, ADDRESS_TEXT_SIZE, "%s:%s%s%.*s%s", words[place->kind], place->guest,
		 place->guest[0] ? "=" : "", len, place->path, port);
}

union name {
	struct sockaddr any;
	struct sockaddr_un unix_;
	struct sockaddr_in in;
	struct sockaddr_vm vm;
};

static bool is_there(const struct place *place, const union name *name, socklen_t len)
{
	switch (place->kind) {
	case LISTENER_VSOCK:
		return name->any.sa_family == AF_VSOCK && len >= sizeof(name->vm) &&
		       name->vm.svm_port == place->port;
	case LISTENER_TCP:
		return name->any.sa_family == AF_INET && len >= sizeof(name->in) &&
		       ntohl(name->in.sin_addr.s_addr) == place->ipv4 &&
		       (!place->port || ntohs(name->in.sin_port) == place->port);
	default:
		/* The path's NUL byte is not always counted, nor always there: *name was all zeros. */
		return name->any.sa_family == AF_UNIX &&
		       strncmp(name->unix_.sun_path, place->path, ADDRESS_PATH_SIZE) == 0;
	}
}

int place_check(const struct place *place, int fd)
{
	union name name = { 0 };
	socklen_t name_len = sizeof(name), len = sizeof(int);
	int listens = 0, type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    getsockname(fd, &name.any, &name_len) < 0)
		return -errno;
	if (!listens)
		return -EINVAL;
	return type == place_socket_type(place) && is_there(place, &name, name_len)
		       ? 0
		       : -EADDRNOTAVAIL;
}
