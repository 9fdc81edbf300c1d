/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/reach.h"

#include <stdbool.h>
#include <string.h>

#include "base/status.h"

/* Whether path is what a guest with this PATH reaches at one of its ports. */
static bool is_port_of(const char *path, const char *uds)
{
	size_t len = strlen(uds);
	const char *port;

	if (!len || strncmp(path, uds, len) != 0 || path[len] != '_')
		return false;
	port = path + len + 1;
	return *port && !port[strspn(port, "0123456789")];
}

static int check_port(const char *path, const struct config_guest *guest,
		      struct tensock_error *reterr)
{
	if (!is_port_of(path, guest->uds))
		return 0;
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"%s is what guest %s reaches at port %s; choose another path", path,
			guest->name, path + strlen(guest->uds) + 1);
}

/* The same of PATH's hybrid sockets, which belong to a guest that has these ports. */
static int check_hybrid(const char *path, const struct ports *ports,
			const struct config_guest *guest, struct tensock_error *reterr)
{
	if (!path[0] || strcmp(path, guest->uds) != 0)
		return 0;
	for (unsigned i = 0; i < ports->n; i++) {
		if (!ports_have(&guest->ports, ports->list[i]))
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"%s_%u is what guest %s reaches at port %u; choose "
					"another path for hybrid, or for uds",
					path, ports->list[i], guest->name, ports->list[i]);
	}
	return 0;
}

static int check_listen(const struct config *config, const struct address *address,
			const struct config_guest *guest, struct tensock_error *reterr)
{
	int r = check_port(address->path, guest, reterr);

	if (r < 0 || address->kind != ADDRESS_HYBRID)
		return r;
	return check_hybrid(address->path, config_ports(config, address->name), guest, reterr);
}

int reach_check(const struct config *config, const struct config_guest *guest,
		struct tensock_error *reterr)
{
	int r = 0;

	for (unsigned i = 0; i < config->n_guests && r == 0; i++) {
		r = check_port(config->guests[i].uds, guest, reterr);
		if (r == 0)
			r = check_port(config->guests[i].vhost_socket, guest, reterr);
		if (r == 0)
			r = check_hybrid(config->guests[i].hybrid, &config->guests[i].ports, guest,
					 reterr);
	}
	for (unsigned i = 0; i < config->n_listens && r == 0; i++)
		r = check_listen(config, &config->listens[i], guest, reterr);
	if (r == 0)
		r = check_port(config->metrics.address.path, guest, reterr);
	return r < 0 ? r : check_port(config->control, guest, reterr);
}

int reach_check_both(const struct config *config, const struct config_guest *guest,
		     struct tensock_error *reterr)
{
	int r = reach_check(config, guest, reterr);

	for (unsigned i = 0; i < config->n_guests && r == 0; i++) {
		r = check_port(guest->vhost_socket, &config->guests[i], reterr);
		if (r == 0)
			r = check_port(guest->uds, &config->guests[i], reterr);
		if (r == 0)
			r = check_hybrid(guest->hybrid, &guest->ports, &config->guests[i], reterr);
	}
	return r;
}
