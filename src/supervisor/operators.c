/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/operators.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "supervisor/listen.h"

/* Takes away all that a guest of that name has.  True where operators_gone() tells when its front is gone. */
static bool take_away(struct daemon *d, const char *name)
{
	struct guest *guest = guest_table_find(&d->guests, name);

	listen_stop_for(d, name);
	config_detach(d->config, name);
	if (guest)
		guest_detach(guest);
	return guest;
}

static int attach(struct daemon *d, const struct operator_request *request,
		  struct tensock_error *reterr)
{
	struct config_guest guest = { .cid = request->cid };
	bool is_vm = request->type == OPERATOR_ATTACH_VM;
	int r;

	snprintf(guest.name, sizeof(guest.name), "%s", request->name);
	snprintf(guest.uds, sizeof(guest.uds), "%s", request->uds);
	snprintf(is_vm ? guest.vhost_socket : guest.hybrid, ADDRESS_PATH_SIZE, "%s", request->path);
	r = listen_check_paths(d, &guest, reterr);
	if (r == 0)
		r = config_attach(d->config, &guest, reterr);
	if (r < 0)
		return r;
	if (guest_table_find(&d->guests, guest.name)) {
		config_detach(d->config, guest.name);
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE,
				"guest %s is still being detached; try again in a moment",
				guest.name);
	}
	r = listen_guest(d, config_guest(d->config, guest.name), reterr);
	if (r < 0)
		(void)take_away(d, guest.name);
	return r;
}

static int check_detach(const struct daemon *d, const struct operator_request *request,
			struct tensock_error *reterr)
{
	const struct guest *guest = guest_table_find(&d->guests, request->name);

	if (!config_has_sockets(d->config, request->name))
		return tsk_fail(reterr, TENSOCK_NOT_FOUND, "there is no guest %s to detach",
				request->name);
	if (guest && guest_info(guest).has_vmm && !(request->flags & OPERATOR_FORCE))
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE,
				"guest %s is running, and would lose its vsock device; end the VM "
				"first, or use --force",
				request->name);
	return 0;
}

static void on_detach(struct daemon *d, struct control_peer *peer,
		      const struct operator_request *request)
{
	struct ucred cred = control_peer_cred(peer);
	struct operator_answer answer = operator_result(TENSOCK_OK, "");
	struct tensock_error error = { 0 };

	if (check_detach(d, request, &error) < 0) {
		answer = operator_result(error.status, error.message);
	} else {
		tsk_info("guest %s: detached by uid %u, pid %d", request->name, cred.uid,
			 (int)cred.pid);
		if (take_away(d, request->name))
			return; /* operators_gone() answers, or has done so */
		/* It has had no front yet, but perhaps in the daemon's last life. */
		if (d->guests.store)
			store_process_forget(d->guests.store, request->name);
	}
	control_answer(peer, &answer);
}

void operators_gone(void *context, const char *name)
{
	struct daemon *d = context;
	struct operator_answer answer = operator_result(TENSOCK_OK, "");

	if (d->control)
		control_answer_detached(d->control, name, &answer);
}

/* Tells peer of the guest of that name; NULL: it is only counted. */
static unsigned tell_of(const struct daemon *d, struct control_peer *peer, const char *name)
{
	struct operator_answer answer = { .type = OPERATOR_GUEST };
	const struct config_guest *config = config_guest(d->config, name);
	const struct guest *guest = guest_table_find(&d->guests, name);
	struct guest_info info = { 0 };

	if (!peer)
		return 1;
	snprintf(answer.name, sizeof(answer.name), "%s", name);
	if (guest)
		info = guest_info(guest);
	answer.cid = (uint32_t)info.cid;
	answer.pid = (uint32_t)info.pid;
	if (info.has_vmm)
		answer.ways |= OPERATOR_HAS_VMM;
	if (config && config->is_attached)
		answer.ways |= OPERATOR_IS_ATTACHED;
	/* Both may be there: the device's socket is the one that is told. */
	for (unsigned i = 0; i < d->n_listeners; i++) {
		const struct listener *listener = d->listeners[i];

		if (strcmp(listener->place.guest, name) != 0)
			continue;
		if (listener->place.kind == LISTENER_HYBRID)
			answer.ways |= OPERATOR_HAS_HYBRID;
		else if (listener->place.kind == LISTENER_VHOST)
			answer.ways |= OPERATOR_HAS_DEVICE;
		else
			continue;
		if (!answer.text[0] || listener->place.kind == LISTENER_VHOST)
			operator_set_text(&answer, listener->place.path);
	}
	control_answer(peer, &answer);
	return 1;
}

/* Whether the i-th address is a guest's that has no section, and the first one of that guest. */
static bool is_new_hybrid(const struct config *config, unsigned i)
{
	const struct address *address = &config->listens[i];

	for (unsigned k = 0; k < i; k++) {
		if (config->listens[k].kind == ADDRESS_HYBRID &&
		    strcmp(config->listens[k].name, address->name) == 0)
			return false;
	}
	return address->kind == ADDRESS_HYBRID && !config_guest(config, address->name);
}

/* The guests that have sockets of their own, then those that have come by a socket of all.  Their number. */
static unsigned tell_of_all(const struct daemon *d, struct control_peer *peer)
{
	const struct config *config = d->config;
	const struct guest *guest = NULL;
	unsigned n = 0;

	for (unsigned i = 0; i < config->n_guests; i++) {
		if (config_has_sockets(config, config->guests[i].name))
			n += tell_of(d, peer, config->guests[i].name);
	}
	for (unsigned i = 0; i < config->n_listens; i++) {
		if (is_new_hybrid(config, i))
			n += tell_of(d, peer, config->listens[i].name);
	}
	while ((guest = guest_table_next(&d->guests, guest))) {
		const char *name = guest_info(guest).name;

		if (!config_has_sockets(config, name))
			n += tell_of(d, peer, name);
	}
	return n;
}

static void on_attach(struct daemon *d, struct control_peer *peer,
		      const struct operator_request *request)
{
	struct ucred cred = control_peer_cred(peer);
	struct operator_answer answer = operator_result(TENSOCK_OK, "");
	struct tensock_error error = { 0 };

	if (attach(d, request, &error) < 0) {
		answer = operator_result(error.status, error.message);
	} else {
		tsk_info("guest %s: attached by uid %u, pid %d: %s", request->name, cred.uid,
			 (int)cred.pid, request->path);
		(void)tell_of(d, peer, request->name);
	}
	control_answer(peer, &answer);
}

static void on_state(const struct daemon *d, struct control_peer *peer)
{
	struct operator_answer answer = {
		.type = OPERATOR_DAEMON,
		.pid = (uint32_t)getpid(),
		.n_guests = tell_of_all(d, NULL),
		.uptime_ms = (tsk_now_ns() - d->started_ns) / TSK_NS_PER_MS,
		.text = TENSOCK_VERSION,
	};

	control_answer(peer, &answer);
}

static void on_request(void *context, struct control_peer *peer,
		       const struct operator_request *request)
{
	struct operator_answer done = operator_result(TENSOCK_OK, "");
	struct daemon *d = context;

	switch (request->type) {
	case OPERATOR_ATTACH_HYBRID:
	case OPERATOR_ATTACH_VM:
		on_attach(d, peer, request);
		return;
	case OPERATOR_DETACH:
		on_detach(d, peer, request);
		return;
	case OPERATOR_LIST:
		(void)tell_of_all(d, peer);
		break;
	case OPERATOR_STATE:
		on_state(d, peer);
		if (d->guests.metrics)
			operator_set_text(&done, metrics_process_listener(d->guests.metrics)->text);
		break;
	default:
		break; /* the reader knows no other */
	}
	control_answer(peer, &done);
}

const struct control_socket_ops operators_ops = { .request = on_request };
