/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"

static struct listener *listener_new(struct daemon *d, struct tensock_error *reterr)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	struct listener **listeners =
		reallocarray(d->listeners, d->n_listeners + 1, sizeof(*listeners));

	if (listeners)
		d->listeners = listeners;
	if (!listener || !listeners) {
		free(listener);
		(void)tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
		return NULL;
	}
	listener->accepted = d->accepted;
	listener->has_room = d->has_room;
	listener->context = d;
	listener->allow_local_cid = d->config->allow_local_cid;
	return listener;
}

/* Keeps a listener that was opened with r, or lets it go. */
static int keep(struct daemon *d, struct listener *listener, int r)
{
	if (r < 0)
		listener_close(listener);
	else
		d->listeners[d->n_listeners++] = listener;
	return r;
}

static int listen_at(struct daemon *d, const struct address *address, struct tensock_error *reterr)
{
	struct listener *listener = listener_new(d, reterr);

	if (!listener)
		return -ENOMEM;
	return keep(d, listener, listener_open(listener, &d->loop, address, reterr));
}

static int listen_at_path(struct daemon *d, enum listener_kind kind, const char *guest,
			  const char *path, struct tensock_error *reterr)
{
	struct listener *listener = listener_new(d, reterr);

	if (!listener)
		return -ENOMEM;
	return keep(d, listener, listener_open_path(listener, &d->loop, kind, guest, path, reterr));
}

/*
 * The folder of the default socket, made if need be.  -ENOENT where the user has no folder for such
 * things.
 */
static int default_folder(struct daemon *d, char ret[ADDRESS_PATH_SIZE],
			  struct tensock_error *reterr)
{
	const char *base = geteuid() == 0 ? "/run" : getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (!base || base[0] != '/')
		return -ENOENT;
	if (snprintf(ret, ADDRESS_PATH_SIZE, "%s/tensock", base) >=
	    (int)(ADDRESS_PATH_SIZE - sizeof("/tensock.sock")))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"XDG_RUNTIME_DIR is too long for a socket");
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

static int listen_control(struct daemon *d, const char *path, struct tensock_error *reterr)
{
	return control_socket_new(&d->loop, path, CONTROL_IDLE_MS, d->control_ops, d, &d->control,
				  reterr);
}

/* The default control socket, unless the operator has said something else. */
static int listen_control_beside(struct daemon *d, const char *folder, struct tensock_error *reterr)
{
	char path[ADDRESS_PATH_SIZE];

	if (d->config->control[0])
		return 0;
	snprintf(path, sizeof(path), "%.90s/control.sock", folder);
	return listen_control(d, path, reterr);
}

static int listen_local(struct daemon *d, struct tensock_error *reterr)
{
	struct address address = { .kind = ADDRESS_UNIX };
	char folder[ADDRESS_PATH_SIZE];
	int r = default_folder(d, folder, reterr);

	if (r == -ENOENT) {
		tsk_info(
			"no local socket: there is no XDG_RUNTIME_DIR to make it in; use --listen unix:PATH");
		return 0;
	}
	if (r < 0)
		return r;
	snprintf(address.path, sizeof(address.path), "%.90s/tensock.sock", folder);
	r = listen_at(d, &address, reterr);
	return r < 0 ? r : listen_control_beside(d, folder, reterr);
}

static int listen_default(struct daemon *d, struct tensock_error *reterr)
{
	const struct address vsock = { .kind = ADDRESS_VSOCK, .port = ADDRESS_PORT };
	int r = listen_local(d, reterr);

	if (r < 0)
		return r;
	r = listen_at(d, &vsock, reterr);
	if (r == -EAFNOSUPPORT) {
		tsk_info("no AF_VSOCK: this kernel has no vsock (module vhost_vsock)");
		return 0;
	}
	return r;
}

static int listen_hybrid(struct daemon *d, const struct config_guest *guest,
			 struct tensock_error *reterr)
{
	struct address address = { .kind = ADDRESS_HYBRID };

	memcpy(address.name, guest->name, sizeof(address.name));
	memcpy(address.path, guest->hybrid, sizeof(address.path));
	return listen_at(d, &address, reterr);
}

/* PATH and PATH.seqpacket, where host programs come to reach the guest. */
static int listen_for_host(struct daemon *d, const struct config_guest *guest,
			   struct tensock_error *reterr)
{
	char path[ADDRESS_PATH_SIZE + ADDRESS_SUFFIX_MAX];
	int r = listen_at_path(d, LISTENER_HOST, guest->name, guest->uds, reterr);

	snprintf(path, sizeof(path), "%s" ADDRESS_SEQPACKET_SUFFIX, guest->uds);
	return r < 0 ? r : listen_at_path(d, LISTENER_HOST_SEQPACKET, guest->name, path, reterr);
}

/* The sockets of one guest of the configuration, and its front where it has the built-in device. */
int listen_guest(struct daemon *d, const struct config_guest *config, struct tensock_error *reterr)
{
	struct guest *guest;
	int r = 0;

	if (config->hybrid[0])
		r = listen_hybrid(d, config, reterr);
	if (r == 0 && config->uds[0])
		r = listen_for_host(d, config, reterr);
	if (r < 0 || !config->vhost_socket[0])
		return r;
	r = listen_at_path(d, LISTENER_VHOST, config->name, config->vhost_socket, reterr);
	if (r < 0)
		return r;
	r = guest_table_get(&d->guests, config->name, &guest);
	if (r == -EDQUOT)
		return tsk_fail(reterr, TENSOCK_LIMIT_REACHED,
				"max-guests is %llu, which is less than there are VMs; raise it",
				(unsigned long long)d->config->guests_max);
	if (r == 0)
		r = guest_keep(guest);
	return r == 0 ? 0
		      : tsk_fail(reterr, TENSOCK_INTERNAL, "guest %s: no front can be started: %s",
				 config->name, strerror(-r));
}

int listen_all(struct daemon *d, struct tensock_error *reterr)
{
	const struct config *config = d->config;
	int r = 0;

	if (config->control[0] && strcmp(config->control, CONFIG_NO_CONTROL) != 0)
		r = listen_control(d, config->control, reterr);
	for (unsigned i = 0; i < config->n_listens && r == 0; i++)
		r = listen_at(d, &config->listens[i], reterr);
	if (r == 0 && !config->n_listens)
		r = listen_default(d, reterr);
	for (unsigned i = 0; i < config->n_guests && r == 0; i++)
		r = listen_guest(d, &config->guests[i], reterr);
	if (r == 0 && !d->n_listeners && !d->control)
		r = tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			     "there is nothing to listen on; use --listen or --vm");
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
		if (strcmp(d->listeners[i]->guest, guest) == 0)
			listener_close(d->listeners[i]);
		else
			d->listeners[n++] = d->listeners[i];
	}
	d->n_listeners = n;
}

static int check_path(const struct daemon *d, const char *path, const char *suffix,
		      struct tensock_error *reterr)
{
	char whole[ADDRESS_PATH_SIZE + ADDRESS_SUFFIX_MAX];

	snprintf(whole, sizeof(whole), "%s%s", path, suffix);
	for (unsigned i = 0; i < d->n_listeners && path[0]; i++) {
		if (strcmp(d->listeners[i]->file.path, whole) == 0)
			return tsk_fail(
				reterr, TENSOCK_INVALID_ARGUMENT,
				"this tensockd serves %s already, as %s; choose another path",
				whole, d->listeners[i]->text);
	}
	return 0;
}

int listen_check_paths(const struct daemon *d, const struct config_guest *guest,
		       struct tensock_error *reterr)
{
	char port[ADDRESS_SUFFIX_MAX + 1];
	int r = check_path(d, guest->vhost_socket, "", reterr);

	snprintf(port, sizeof(port), "_%u", ADDRESS_PORT);
	if (r == 0)
		r = check_path(d, guest->uds, "", reterr);
	if (r == 0)
		r = check_path(d, guest->uds, ADDRESS_SEQPACKET_SUFFIX, reterr);
	return r < 0 ? r : check_path(d, guest->hybrid, port, reterr);
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
