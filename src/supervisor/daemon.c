/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/status.h"
#include "supervisor/control_socket.h"
#include "supervisor/guest.h"
#include "supervisor/launcher.h"
#include "supervisor/listener.h"

/* Beyond what the fronts may need to finish: they report, and exit. */
#define DRAIN_EXTRA_MS 2000

enum daemon_signal {
	SIGNAL_TERM,
	SIGNAL_INT,
	SIGNAL_HUP,
	SIGNAL_MAX
};

struct daemon {
	struct config *config;
	uint64_t started_ns;
	uv_loop_t loop;
	struct launcher launcher;
	struct guest_table guests;
	struct listener **listeners;
	unsigned n_listeners;
	struct control_socket *control; /* NULL: none */
	uv_signal_t signals[SIGNAL_MAX];
	uv_timer_t drain;
	bool stopping;
	char made_folder[ADDRESS_PATH_SIZE]; /* of the default socket, if we made it; else empty */
};

/* Connections */

static void on_accepted(struct listener *listener, const char *name, int fd)
{
	static const enum front_msg_type types[] = {
		[LISTENER_VSOCK] = FRONT_CONNECTION,  [LISTENER_UNIX] = FRONT_CONNECTION,
		[LISTENER_HYBRID] = FRONT_CONNECTION, [LISTENER_TCP] = FRONT_CONNECTION,
		[LISTENER_HOST] = FRONT_HOST_STREAM,  [LISTENER_HOST_SEQPACKET] = FRONT_HOST_STREAM,
	};
	struct daemon *d = listener->context;
	struct guest *guest;
	int r = -EACCES;

	if (!d->config->only_configured || config_knows(d->config, name))
		r = guest_table_get(&d->guests, name, &guest);
	if (r == 0 && listener->kind == LISTENER_VHOST) {
		guest_vmm(guest, fd);
		return;
	}
	if (r == 0) {
		guest_deliver(guest, types[listener->kind], fd);
		return;
	}
	listener_refuse(listener, name, fd,
			r == -EDQUOT   ? "there are max-guests of others"
			: r == -EACCES ? "it has no section (guests = configured)"
				       : strerror(-r));
}

static bool has_room(struct listener *listener)
{
	struct daemon *d = listener->context;
	struct guest *guest;

	if (guest_table_get(&d->guests, listener->guest, &guest) < 0)
		return true;
	return guest_has_room(guest) &&
	       (listener->kind != LISTENER_HYBRID || guest_may_connect(guest));
}

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
	listener->accepted = on_accepted;
	listener->has_room = has_room;
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

/* Where to listen */

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

static const struct control_socket_ops control_ops;

static int listen_control(struct daemon *d, const char *path, struct tensock_error *reterr)
{
	return control_socket_new(&d->loop, path, CONTROL_IDLE_MS, &control_ops, d, &d->control,
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
static int open_guest(struct daemon *d, const struct config_guest *config,
		      struct tensock_error *reterr)
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

static int open_all(struct daemon *d, struct tensock_error *reterr)
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
		r = open_guest(d, &config->guests[i], reterr);
	if (r == 0 && !d->n_listeners && !d->control)
		r = tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			     "there is nothing to listen on; use --listen or --vm");
	return r;
}

static void tell_ready(const struct daemon *d)
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

/* What is asked at the control socket */

static void close_listeners_of(struct daemon *d, const char *guest)
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

/* Takes away all that a guest of that name has.  True where on_gone() tells when its front is gone. */
static bool take_away(struct daemon *d, const char *name)
{
	struct guest *guest = guest_table_find(&d->guests, name);

	close_listeners_of(d, name);
	config_detach(d->config, name);
	if (guest)
		guest_detach(guest);
	return guest;
}

/*
 * None of ours is there already.  To try it, as is done with sockets of other programs, would look like
 * a guest or a VMM that connects.
 */
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

static int check_paths(const struct daemon *d, const struct config_guest *guest,
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

static int attach(struct daemon *d, const struct operator_request *request,
		  struct tensock_error *reterr)
{
	struct config_guest guest = { .cid = request->cid };
	bool is_vm = request->type == OPERATOR_ATTACH_VM;
	int r;

	snprintf(guest.name, sizeof(guest.name), "%s", request->name);
	snprintf(guest.uds, sizeof(guest.uds), "%s", request->uds);
	snprintf(is_vm ? guest.vhost_socket : guest.hybrid, ADDRESS_PATH_SIZE, "%s", request->path);
	r = check_paths(d, &guest, reterr);
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
	r = open_guest(d, config_guest(d->config, guest.name), reterr);
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
			return; /* on_gone() answers, or has done so */
	}
	control_answer(peer, &answer);
}

static void on_gone(void *context, const char *name)
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

		if (strcmp(listener->guest, name) != 0)
			continue;
		if (listener->kind == LISTENER_HYBRID)
			answer.ways |= OPERATOR_HAS_HYBRID;
		else if (listener->kind == LISTENER_VHOST)
			answer.ways |= OPERATOR_HAS_DEVICE;
		else
			continue;
		if (!answer.text[0] || listener->kind == LISTENER_VHOST)
			operator_set_text(&answer, listener->file.path);
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
		break;
	default:
		break; /* the reader knows no other */
	}
	control_answer(peer, &done);
}

static const struct control_socket_ops control_ops = { .request = on_request };

/* The end */

/* Nothing runs any more: closes what keeps the loop going. */
static void end(struct daemon *d)
{
	guest_table_done(&d->guests);
	launcher_done(&d->launcher);
	for (unsigned i = 0; i < SIGNAL_MAX; i++)
		uv_close((uv_handle_t *)&d->signals[i], NULL);
	uv_close((uv_handle_t *)&d->drain, NULL);
}

static void on_none_left(void *context)
{
	struct daemon *d = context;

	if (d->stopping)
		end(d);
}

static void on_drain_over(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	tsk_warning("what still runs has passed its deadline, and is killed");
	children_kill(&d->launcher.children);
}

static void close_listeners(struct daemon *d)
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

static void stop(struct daemon *d)
{
	d->stopping = true;
	close_listeners(d);
	guest_table_stop(&d->guests);
	uv_timer_start(&d->drain, on_drain_over, guest_table_drain_ms(&d->guests) + DRAIN_EXTRA_MS,
		       0);
	if (!d->launcher.children.first)
		end(d);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct daemon *d = handle->data;

	if (signum == SIGHUP) {
		tsk_info("SIGHUP is ignored: the configuration is read at the start only");
	} else if (!d->stopping) {
		tsk_info("%s: finishing what runs; a second signal ends it now",
			 signum == SIGTERM ? "SIGTERM" : "SIGINT");
		stop(d);
	} else {
		tsk_info("ending now");
		children_kill(&d->launcher.children);
	}
}

/* For end(), which may come early. */
static void init_handles(struct daemon *d)
{
	for (unsigned i = 0; i < SIGNAL_MAX; i++) {
		uv_signal_init(&d->loop, &d->signals[i]);
		d->signals[i].data = d;
	}
	uv_timer_init(&d->loop, &d->drain);
	d->drain.data = d;
}

static int watch_signals(struct daemon *d)
{
	static const int numbers[] = {
		[SIGNAL_TERM] = SIGTERM, [SIGNAL_INT] = SIGINT, [SIGNAL_HUP] = SIGHUP
	};
	int r = 0;

	for (unsigned i = 0; i < SIGNAL_MAX && r == 0; i++)
		r = uv_signal_start(&d->signals[i], on_signal, numbers[i]);
	return r;
}

/* For the fronts: one that ran out of fds would lose all that its guest has, its device too. */
static void fit_fd_limit(struct config *config)
{
	uint64_t lowered = 0;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limits_fit_files(&config->limits, limit.rlim_cur))
		lowered = config->limits.value[LIMIT_CONNECTIONS];
	for (unsigned i = 0; i < config->n_guests; i++) {
		struct limits *limits = &config->guests[i].limits;

		if (limits_fit_files(limits, limit.rlim_cur) &&
		    (!lowered || limits->value[LIMIT_CONNECTIONS] < lowered))
			lowered = limits->value[LIMIT_CONNECTIONS];
	}
	if (lowered)
		tsk_warning(
			"at most %" PRIu64 " files may be open, so max-connections is "
			"lowered, to %" PRIu64 " where it is least: raise RLIMIT_NOFILE "
			"(ulimit -Hn, LimitNOFILE=), or lower max-connections, max-workers or max-requests",
			(uint64_t)limit.rlim_cur, lowered);
}

static int start(struct daemon *d, struct tensock_error *reterr)
{
	int r = launcher_init(&d->launcher, &d->loop, d->config);

	guest_table_init(&d->guests, &d->launcher, d->config);
	d->guests.gone = on_gone;
	d->guests.context = d;
	d->launcher.children.none_left = on_none_left;
	d->launcher.children.context = d;
	if (r == 0)
		r = watch_signals(d);
	if (r < 0)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "signals cannot be handled: %s",
				strerror(-r));
	r = launcher_find_programs(&d->launcher, &d->config->engines, reterr);
	return r < 0 ? r : open_all(d, reterr);
}

int daemon_run(struct config *config, struct tensock_error *reterr)
{
	struct daemon d = { .config = config, .started_ns = tsk_now_ns() };
	int r;

	signal(SIGPIPE, SIG_IGN);
	fit_fd_limit(config);
	r = uv_loop_init(&d.loop);
	if (r < 0)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "no event loop: %s", strerror(-r));
	init_handles(&d);
	r = start(&d, reterr);
	if (r == 0)
		tell_ready(&d);
	else
		stop(&d);
	uv_run(&d.loop, UV_RUN_DEFAULT);
	uv_loop_close(&d.loop);
	return r;
}
