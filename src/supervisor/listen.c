/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"

static int no_memory(struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
}

/* Opening */

static struct listener *listener_new(struct daemon *d, struct tensock_error *reterr)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	struct listener **listeners =
		reallocarray(d->listeners, d->n_listeners + 1, sizeof(*listeners));

	if (listeners)
		d->listeners = listeners;
	if (!listener || !listeners) {
		free(listener);
		(void)no_memory(reterr);
		return NULL;
	}
	listener->accepted = d->accepted;
	listener->has_room = d->has_room;
	listener->context = d;
	listener->allow_local_cid = d->config->allow_local_cid;
	return listener;
}

static int open_listener(struct daemon *d, const struct place *place,
			 const struct listener_handed *handed, struct tensock_error *reterr)
{
	struct listener *listener = listener_new(d, reterr);
	int r;

	if (!listener) {
		tsk_close(handed ? handed->fd : -1);
		return -ENOMEM;
	}
	r = listener_open(listener, &d->loop, place, handed, reterr);
	if (r < 0)
		listener_close(listener);
	else
		d->listeners[d->n_listeners++] = listener;
	return r;
}

/* *control: the one that is there from now on, where the place is one of a control socket. */
static int open_place(struct daemon *d, const struct place *place, struct control_socket **control,
		      struct tensock_error *reterr)
{
	struct listener_handed socket;
	const struct listener_handed *handed =
		activation_take(&d->activation, place, &socket) ? &socket : NULL;
	int r;

	if (place->kind == LISTENER_CONTROL)
		return control_socket_new(&d->loop, place->path, handed, CONTROL_IDLE_MS,
					  d->control_ops, d, control, reterr);
	r = open_listener(d, place, handed, reterr);
	if (r == -EAFNOSUPPORT && place->may_be_missing) {
		tsk_info("no vsock:%u: this kernel has no vsock (module vhost_vsock)", place->port);
		return 0;
	}
	return r;
}

static bool is_open(const struct daemon *d, const struct place *place)
{
	if (place->kind == LISTENER_CONTROL)
		return d->control &&
		       place_equals(&control_socket_listener(d->control)->place, place);
	for (unsigned i = 0; i < d->n_listeners; i++) {
		if (place_equals(&d->listeners[i]->place, place))
			return true;
	}
	return false;
}

/* Where to listen */

/*
 * The folder of the default socket, made if need be: the one that a service manager has made for this
 * service, or one of the user's.  -ENOENT where the user has no folder for such things.
 */
static int default_folder(struct daemon *d, char ret[ADDRESS_PATH_SIZE],
			  struct tensock_error *reterr)
{
	const char *own = getenv("RUNTIME_DIRECTORY");
	const char *base = geteuid() == 0 ? "/run" : getenv("XDG_RUNTIME_DIR");
	bool has_own = own && own[0] == '/' && !strchr(own, ':');
	struct stat st;

	if (!has_own && (!base || base[0] != '/'))
		return -ENOENT;
	if (snprintf(ret, ADDRESS_PATH_SIZE, "%s%s", has_own ? own : base,
		     has_own ? "" : "/tensock") >=
	    (int)(ADDRESS_PATH_SIZE - sizeof("/tensock.sock")))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%s is too long for a socket",
				has_own ? "RUNTIME_DIRECTORY" : "XDG_RUNTIME_DIR");
	if (mkdir(ret, 0755) == 0)
		memcpy(d->made_folder, ret, ADDRESS_PATH_SIZE);
	else if (errno != EEXIST)
		return tsk_fail(reterr, TENSOCK_PERMISSION_DENIED,
				"the folder %s cannot be made: %s", ret, strerror(errno));
	/* Who owns the folder decides who answers there. */
	if (lstat(ret, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return tsk_fail(
			reterr, TENSOCK_PERMISSION_DENIED,
			"%s is there, but is no folder of this user; remove it, or use --listen",
			ret);
	/* Whatever the umask was. */
	if (d->made_folder[0] && chmod(ret, 0755) < 0)
		return tsk_fail(reterr, TENSOCK_PERMISSION_DENIED, "%s: %s", ret, strerror(errno));
	return 0;
}

/* The default control socket, unless the operator has said something else. */
static int add_local(struct daemon *d, const struct config *config, struct places *places,
		     struct tensock_error *reterr)
{
	struct place local = { .kind = LISTENER_UNIX }, control = { .kind = LISTENER_CONTROL };
	char folder[ADDRESS_PATH_SIZE];
	int r = default_folder(d, folder, reterr);

	if (r == -ENOENT) {
		tsk_info(
			"no local socket: there is no XDG_RUNTIME_DIR to make it in; use --listen unix:PATH");
		return 0;
	}
	if (r < 0)
		return r;
	/* 93: what default_folder() lets through. */
	snprintf(local.path, sizeof(local.path), "%.93s/tensock.sock", folder);
	snprintf(control.path, sizeof(control.path), "%.93s/control.sock", folder);
	r = places_add(places, &local);
	if (r == 0 && !config->control[0])
		r = places_add(places, &control);
	return r < 0 ? no_memory(reterr) : 0;
}

static int add_default(struct daemon *d, const struct config *config, struct places *places,
		       struct tensock_error *reterr)
{
	int r = add_local(d, config, places, reterr);

	if (r < 0)
		return r;
	return places_add_vsock(places, &config->ports) < 0 ? no_memory(reterr) : 0;
}

/* All places of *config. */
static int list_places(struct daemon *d, const struct config *config, struct places *ret,
		       struct tensock_error *reterr)
{
	int r = config->n_listens ? 0 : add_default(d, config, ret, reterr);

	if (r == 0 && places_add_config(ret, config) < 0)
		r = no_memory(reterr);
	if (r == 0 && !ret->n)
		r = tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			     "there is nothing to listen on; use --listen or --vm");
	return r;
}

int listen_device(struct daemon *d, const char *name, struct tensock_error *reterr)
{
	struct guest *guest;
	int r = guest_table_get(&d->guests, name, &guest);

	if (r == -EDQUOT)
		return tsk_fail(reterr, TENSOCK_LIMIT_REACHED,
				"max-guests is %llu, which is less than there are VMs; raise it",
				(unsigned long long)d->config->guests_max);
	if (r == 0)
		r = guest_keep(guest);
	return r == 0 ? 0
		      : tsk_fail(reterr, TENSOCK_INTERNAL, "guest %s: no front can be started: %s",
				 name, strerror(-r));
}

int listen_guest(struct daemon *d, const struct config_guest *config, struct tensock_error *reterr)
{
	struct places places = { 0 };
	int r = places_add_guest(&places, d->config, config) < 0 ? no_memory(reterr) : 0;

	for (unsigned i = 0; i < places.n && r == 0; i++)
		r = open_place(d, &places.list[i], NULL, reterr);
	places_done(&places);
	if (r == 0 && config->vhost_socket[0])
		r = listen_device(d, config->name, reterr);
	return r;
}

static int open_devices(struct daemon *d, struct tensock_error *reterr)
{
	int r = 0;

	for (unsigned i = 0; i < d->config->n_guests && r == 0; i++) {
		if (d->config->guests[i].vhost_socket[0])
			r = listen_device(d, d->config->guests[i].name, reterr);
	}
	return r;
}

int listen_all(struct daemon *d, struct tensock_error *reterr)
{
	struct places places = { 0 };
	int r = list_places(d, d->config, &places, reterr);

	for (unsigned i = 0; i < places.n && r == 0; i++)
		r = open_place(d, &places.list[i], &d->control, reterr);
	places_done(&places);
	if (r == 0)
		r = activation_check_all_taken(&d->activation, reterr);
	if (r == 0)
		r = open_devices(d, reterr);
	if (r == 0 && !d->n_listeners && !d->control)
		r = tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			     "there is nothing to listen on; use --listen or --vm");
	return r;
}

/* Another configuration */

static int open_new(struct daemon *d, const struct places *places, struct control_socket **control,
		    struct tensock_error *reterr)
{
	unsigned n_before = d->n_listeners;
	int r = 0;

	for (unsigned i = 0; i < places->n && r == 0; i++) {
		if (!is_open(d, &places->list[i]))
			r = open_place(d, &places->list[i], control, reterr);
	}
	while (r < 0 && d->n_listeners > n_before)
		listener_close(d->listeners[--d->n_listeners]);
	if (r < 0)
		control_socket_free(TAKE_PTR(*control));
	return r;
}

static void close_others(struct daemon *d, const struct places *places)
{
	unsigned n = 0;

	if (d->control && !places_have(places, &control_socket_listener(d->control)->place))
		control_socket_free(TAKE_PTR(d->control));
	for (unsigned i = 0; i < d->n_listeners; i++) {
		if (places_have(places, &d->listeners[i]->place))
			d->listeners[n++] = d->listeners[i];
		else
			listener_close(d->listeners[i]);
	}
	d->n_listeners = n;
}

int listen_change(struct daemon *d, const struct config *config, struct tensock_error *reterr)
{
	struct control_socket *control = NULL;
	struct places places = { 0 };
	int r = list_places(d, config, &places, reterr);

	if (r == 0)
		r = open_new(d, &places, &control, reterr);
	if (r == 0) {
		close_others(d, &places);
		for (unsigned i = 0; i < d->n_listeners; i++)
			d->listeners[i]->allow_local_cid = config->allow_local_cid;
		if (control)
			d->control = control;
	}
	places_done(&places);
	return r;
}

void listen_tell(const struct daemon *d)
{
	char text[900];
	size_t len = 0;
	unsigned i;

	for (i = 0; i < d->n_listeners; i++) {
		const char *one = d->listeners[i]->text;

		if (strlen(one) + 2 >= sizeof(text) - len)
			break;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "", one);
	}
	if (i < d->n_listeners)
		tsk_info("ready, pid %d: %s and %u more", (int)getpid(), text, d->n_listeners - i);
	else
		tsk_info("ready, pid %d: %s", (int)getpid(), text);
	if (d->control)
		tsk_debug("operators are answered at %s", control_socket_text(d->control));
}

void listen_stop_for(struct daemon *d, const char *guest)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->n_listeners; i++) {
		if (strcmp(d->listeners[i]->place.guest, guest) == 0)
			listener_close(d->listeners[i]);
		else
			d->listeners[n++] = d->listeners[i];
	}
	d->n_listeners = n;
}

static int check_path(const struct daemon *d, const char *path, struct tensock_error *reterr)
{
	for (unsigned i = 0; i < d->n_listeners; i++) {
		if (strcmp(d->listeners[i]->place.path, path) == 0)
			return tsk_fail(
				reterr, TENSOCK_INVALID_ARGUMENT,
				"this tensockd serves %s already, as %s; choose another path", path,
				d->listeners[i]->text);
	}
	return 0;
}

int listen_check_paths(const struct daemon *d, const struct config_guest *guest,
		       struct tensock_error *reterr)
{
	struct places places = { 0 };
	int r = places_add_guest(&places, d->config, guest) < 0 ? no_memory(reterr) : 0;

	for (unsigned i = 0; i < places.n && r == 0; i++)
		r = check_path(d, places.list[i].path, reterr);
	places_done(&places);
	return r;
}

void listen_stop(struct daemon *d)
{
	control_socket_free(TAKE_PTR(d->control));
	while (d->n_listeners)
		listener_close(d->listeners[--d->n_listeners]);
	free(d->listeners);
	d->listeners = NULL;
	if (d->made_folder[0])
		rmdir(d->made_folder); /* stays, if somebody else uses it */
	d->made_folder[0] = '\0';
}
