/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/backend.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "front/vhost/guest_memory.h"
#include "front/vhost/vhost_queue.h"
#include "front/vhost/vhost_user.h"

#define MESSAGES_PER_WAKE 16u /* then the rest of the loop has its turn */
#define KERNEL_FDS_MAX 253u   /* in one recvmsg(): room for all, so that none is left open unseen */

#define FEATURES                                                                      \
	(VIRTIO_F_VERSION_1 | VIRTIO_F_RING_EVENT_IDX | VIRTIO_F_RING_INDIRECT_DESC | \
	 VHOST_USER_F_PROTOCOL_FEATURES)
#define PROTOCOL_FEATURES                                             \
	(VHOST_USER_PROTOCOL_F_MQ | VHOST_USER_PROTOCOL_F_REPLY_ACK | \
	 VHOST_USER_PROTOCOL_F_CONFIG | VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)

/* The message that is coming in.  Its fds are the first n_fds; a handler takes what it keeps. */
struct incoming {
	size_t got;
	unsigned n_fds;
	int fds[VHOST_USER_FDS_MAX];
	struct vhost_user_header header; /* once its bytes are there */
	unsigned char bytes[VHOST_USER_HEADER_SIZE + VHOST_USER_PAYLOAD_MAX];
};

struct vhost_backend {
	const struct vhost_device_ops *ops;
	void *device;
	int fd;
	uv_poll_t poll;
	bool polled;   /* the handle is not closed yet */
	bool shut;     /* nothing is served any more */
	bool released; /* by its owner: freed as soon as the handle is closed */

	struct incoming in;
	uint64_t features; /* acknowledged */
	bool features_known;
	struct guest_memory *memory;
	struct vhost_queue queues[VHOST_QUEUES_MAX];
};

/* ---- the end ---- */

static void incoming_reset(struct incoming *in)
{
	for (unsigned i = 0; i < in->n_fds; i++)
		tsk_close(in->fds[i]);
	in->n_fds = 0;
	in->got = 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct vhost_backend *backend = handle->data;

	backend->polled = false;
	if (backend->released)
		free(backend);
}

/* Ends the session.  The device's ops are called, and may release the back end. */
static void shut(struct vhost_backend *backend)
{
	if (backend->shut)
		return;
	backend->shut = true;
	uv_close((uv_handle_t *)&backend->poll, on_closed);
	backend->fd = tsk_close(backend->fd);
	incoming_reset(&backend->in);
	for (unsigned i = 0; i < VHOST_QUEUES_MAX; i++)
		vhost_queue_done(&backend->queues[i]);
	backend->memory = guest_memory_unref(backend->memory);
}

/* Logs and ends the session; why: a literal. */
static void disconnect(struct vhost_backend *backend, const char *name, const char *why)
{
	if (backend->shut)
		return;
	tsk_warning("vhost-user: %s%s%s: the VMM is disconnected", name, *name ? ": " : "", why);
	shut(backend);
	if (!backend->released)
		backend->ops->disconnected(backend->device);
}

/* The VMM has closed the connection. */
static void ended(struct vhost_backend *backend)
{
	tsk_info("vhost-user: the VMM has disconnected");
	shut(backend);
	if (!backend->released)
		backend->ops->disconnected(backend->device);
}

void vhost_backend_free(struct vhost_backend *backend)
{
	if (!backend || backend->released)
		return;
	backend->released = true;
	shut(backend);
	if (!backend->polled)
		free(backend);
}

/* ---- the requests: 0, or -errno when the VMM asks for what cannot be ---- */

static int reply(struct vhost_backend *backend, const void *bytes, size_t len)
{
	ssize_t n = send(backend->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	/* A VMM waits for each reply; one that lets them fill the socket speaks no vhost-user. */
	return n == (ssize_t)len ? 0 : -EPIPE;
}

static int reply_u64(struct vhost_backend *backend, uint32_t request, uint64_t value)
{
	unsigned char bytes[VHOST_USER_REPLY_MAX];

	return reply(backend, bytes, vhost_user_reply_u64(request, value, bytes));
}

static struct vhost_queue *find_queue(struct vhost_backend *backend, uint32_t index)
{
	return index < VHOST_QUEUES_MAX ? &backend->queues[index] : NULL;
}

/* Starts what can run now. */
static void update_queues(struct vhost_backend *backend)
{
	for (unsigned i = 0; i < VHOST_QUEUES_MAX && !backend->shut; i++) {
		if (backend->features_known)
			vhost_queue_update(&backend->queues[i], backend->features, backend->memory);
	}
}

static uint64_t offered_features(const struct vhost_backend *backend)
{
	return FEATURES | backend->ops->features;
}

static int get_features(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	return reply_u64(backend, msg->header.request, offered_features(backend));
}

static int set_features(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	if (msg->u64 & ~offered_features(backend))
		return -EINVAL;
	backend->features = msg->u64;
	backend->features_known = true;
	if (backend->ops->acknowledged)
		backend->ops->acknowledged(backend->device, msg->u64);
	return 0;
}

static int get_protocol_features(struct vhost_backend *backend,
				 const struct vhost_user_message *msg)
{
	return reply_u64(backend, msg->header.request, PROTOCOL_FEATURES);
}

/* Nothing depends on what is acknowledged here: what is not used does no harm. */
static int set_protocol_features(struct vhost_backend *backend,
				 const struct vhost_user_message *msg)
{
	(void)backend;
	return msg->u64 & ~PROTOCOL_FEATURES ? -EINVAL : 0;
}

static int get_queue_num(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	return reply_u64(backend, msg->header.request, VHOST_QUEUES_MAX);
}

static int get_max_mem_slots(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	return reply_u64(backend, msg->header.request, GUEST_MEMORY_REGIONS_MAX);
}

static int set_owner(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	(void)backend;
	(void)msg;
	return 0;
}

/* Out of use; to be taken as "disable all rings". */
static int reset_owner(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	(void)msg;
	for (unsigned i = 0; i < VHOST_QUEUES_MAX && !backend->shut; i++)
		vhost_queue_end(&backend->queues[i]);
	return 0;
}

/* Takes a new table over. */
static void set_memory(struct vhost_backend *backend, struct guest_memory *memory)
{
	guest_memory_unref(backend->memory);
	backend->memory = memory;
	for (unsigned i = 0; i < VHOST_QUEUES_MAX && !backend->shut; i++)
		vhost_queue_set_memory(&backend->queues[i], memory);
}

static int set_mem_table(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	struct guest_memory *memory;
	int r = guest_memory_new(msg->table.regions, backend->in.fds, msg->table.n, &memory);

	if (r == 0)
		set_memory(backend, memory);
	return r;
}

static int add_mem_reg(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	struct guest_memory *memory;
	int r = guest_memory_add(backend->memory, &msg->region, backend->in.fds[0], &memory);

	if (r == 0)
		set_memory(backend, memory);
	return r;
}

static int rem_mem_reg(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	struct guest_memory *memory;
	int r = guest_memory_remove(backend->memory, &msg->region, &memory);

	if (r == 0)
		set_memory(backend, memory);
	return r;
}

static int set_vring_num(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	struct vhost_queue *queue = find_queue(backend, msg->state.index);

	return queue ? vhost_queue_set_size(queue, msg->state.num) : -EINVAL;
}

static int set_vring_addr(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	struct vhost_queue *queue = find_queue(backend, msg->addr.index);

	/* The addresses mean something only over a memory table. */
	return queue && backend->memory ? vhost_queue_set_addr(queue, &msg->addr) : -EINVAL;
}

static int set_vring_base(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	struct vhost_queue *queue = find_queue(backend, msg->state.index);

	return queue ? vhost_queue_set_base(queue, msg->state.num) : -EINVAL;
}

static int get_vring_base(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	struct vhost_queue *queue = find_queue(backend, msg->state.index);
	struct vhost_user_state state = { .index = msg->state.index };
	unsigned char bytes[VHOST_USER_REPLY_MAX];

	if (!queue)
		return -EINVAL;
	state.num = vhost_queue_end(queue);
	if (backend->shut)
		return 0;
	return reply(backend, bytes, vhost_user_reply_state(msg->header.request, &state, bytes));
}

static int set_vring_enable(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	struct vhost_queue *queue = find_queue(backend, msg->state.index);

	return queue ? vhost_queue_set_enabled(queue, msg->state.num) : -EINVAL;
}

/* SET_VRING_KICK, _CALL and _ERR: hands the fd over, or -1. */
static int set_ring_fd(struct vhost_backend *backend, const struct vhost_user_message *msg,
		       int (*set)(struct vhost_queue *queue, int fd))
{
	struct vhost_queue *queue = find_queue(backend, msg->ring_fd.index);

	if (!queue)
		return -EINVAL;
	return set(queue, msg->ring_fd.has_fd ? TAKE_FD(backend->in.fds[0]) : -1);
}

static int set_vring_kick(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	return set_ring_fd(backend, msg, vhost_queue_set_kick);
}

static int set_vring_call(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	return set_ring_fd(backend, msg, vhost_queue_set_call);
}

static int set_vring_err(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	return set_ring_fd(backend, msg, vhost_queue_set_err);
}

static int get_config(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	const struct vhost_user_config *config = &msg->config;
	unsigned char bytes[VHOST_USER_REPLY_MAX], space[VHOST_USER_CONFIG_MAX] = { 0 };

	if (config->size > sizeof(space) || config->offset > sizeof(space) - config->size)
		return reply(backend, bytes, vhost_user_reply_empty(msg->header.request, bytes));
	backend->ops->config(backend->device, config->offset, space, config->size);
	return reply(backend, bytes, vhost_user_reply_config(config, space, bytes));
}

static int set_config(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	(void)backend;
	(void)msg;
	return -EPERM; /* all of it is read-only */
}

static int (*const handlers[VHOST_USER_REQUEST_MAX])(struct vhost_backend *backend,
						     const struct vhost_user_message *msg) = {
	[VHOST_USER_GET_FEATURES] = get_features,
	[VHOST_USER_SET_FEATURES] = set_features,
	[VHOST_USER_SET_OWNER] = set_owner,
	[VHOST_USER_RESET_OWNER] = reset_owner,
	[VHOST_USER_SET_MEM_TABLE] = set_mem_table,
	[VHOST_USER_SET_VRING_NUM] = set_vring_num,
	[VHOST_USER_SET_VRING_ADDR] = set_vring_addr,
	[VHOST_USER_SET_VRING_BASE] = set_vring_base,
	[VHOST_USER_GET_VRING_BASE] = get_vring_base,
	[VHOST_USER_SET_VRING_KICK] = set_vring_kick,
	[VHOST_USER_SET_VRING_CALL] = set_vring_call,
	[VHOST_USER_SET_VRING_ERR] = set_vring_err,
	[VHOST_USER_GET_PROTOCOL_FEATURES] = get_protocol_features,
	[VHOST_USER_SET_PROTOCOL_FEATURES] = set_protocol_features,
	[VHOST_USER_GET_QUEUE_NUM] = get_queue_num,
	[VHOST_USER_SET_VRING_ENABLE] = set_vring_enable,
	[VHOST_USER_GET_CONFIG] = get_config,
	[VHOST_USER_SET_CONFIG] = set_config,
	[VHOST_USER_GET_MAX_MEM_SLOTS] = get_max_mem_slots,
	[VHOST_USER_ADD_MEM_REG] = add_mem_reg,
	[VHOST_USER_REM_MEM_REG] = rem_mem_reg,
};

/* ---- messages ---- */

/* Tells the VMM how a request without a reply of its own went, or acts where it cannot be told. */
static void conclude(struct vhost_backend *backend, int result, bool may_be_ignored)
{
	const struct vhost_user_header *header = &backend->in.header;
	const char *name = vhost_user_name(header->request);
	bool acknowledge = header->need_reply && !vhost_user_has_reply(header->request);

	if (backend->shut)
		return;
	if (result < 0 && (acknowledge || may_be_ignored))
		tsk_warning("vhost-user: %s (%u) is refused: %s", name, header->request,
			    strerror(-result));
	else if (result < 0)
		disconnect(backend, name, strerror(-result));
	if (acknowledge && !backend->shut && reply_u64(backend, header->request, result < 0) < 0)
		disconnect(backend, name, "replies are not read");
}

/* A whole message has come in. */
static void serve(struct vhost_backend *backend)
{
	const struct vhost_user_header *header = &backend->in.header;
	struct vhost_user_message msg;
	int r = vhost_user_decode(header, backend->in.bytes + VHOST_USER_HEADER_SIZE,
				  backend->in.n_fds, &msg);

	if (r == -EOPNOTSUPP) {
		conclude(backend, r, vhost_user_is_one_way(header->request));
	} else if (r < 0) {
		disconnect(backend, vhost_user_name(header->request), "malformed");
	} else {
		r = handlers[header->request](backend, &msg);
		conclude(backend, r, header->request == VHOST_USER_SET_CONFIG);
	}
	if (backend->shut)
		return;
	incoming_reset(&backend->in);
	update_queues(backend);
}

/* Appends the fds of m to the message.  False when there are more than any message has. */
static bool take_fds(struct incoming *in, struct msghdr *m)
{
	bool fit = true;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i + sizeof(int) <= bytes; i += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i, sizeof(fd));
			if (in->n_fds < VHOST_USER_FDS_MAX) {
				in->fds[in->n_fds++] = fd;
			} else {
				tsk_close(fd);
				fit = false;
			}
		}
	}
	return fit;
}

/* Receives some of the len bytes that are due, and fds.  The bytes, 0 at the end, or -errno. */
static ssize_t receive(struct vhost_backend *backend, size_t len)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * KERNEL_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct incoming *in = &backend->in;
	struct iovec iov = { .iov_base = in->bytes + in->got, .iov_len = len };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(backend->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	/* MSG_CTRUNC: fds were lost, and which ones is unknown. */
	if (!take_fds(in, &m) || (m.msg_flags & MSG_CTRUNC))
		return -EMFILE;
	in->got += (size_t)n;
	return n;
}

/* Takes what the socket has of the message.  False: there is no more now. */
static bool receive_some(struct vhost_backend *backend)
{
	struct incoming *in = &backend->in;
	bool in_header = in->got < VHOST_USER_HEADER_SIZE;
	/* Never past this message's end: fds come with the first byte of theirs. */
	size_t whole = VHOST_USER_HEADER_SIZE + (in_header ? 0 : in->header.size);
	ssize_t n = receive(backend, whole - in->got);

	if (n == -EAGAIN || n == -EINTR)
		return n == -EINTR;
	if (n < 0)
		disconnect(backend, "",
			   n == -EMFILE ? "too many file descriptors" : strerror((int)-n));
	else if (n == 0)
		ended(backend);
	else if (in->got < whole)
		return true;
	else if (in_header && vhost_user_decode_header(in->bytes, &in->header) < 0)
		disconnect(backend, "", "no vhost-user message");
	else if (!in_header || in->header.size == 0)
		serve(backend);
	return true;
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	struct vhost_backend *backend = poll->data;

	(void)events;
	if (status < 0) {
		disconnect(backend, "", uv_strerror(status));
		return;
	}
	for (unsigned i = 0; i < 2 * MESSAGES_PER_WAKE && !backend->shut; i++) {
		if (!receive_some(backend))
			return;
	}
}

int vhost_backend_new(uv_loop_t *loop, int fd, const struct vhost_device_ops *ops, void *device,
		      struct vhost_backend **ret)
{
	_cleanup_close_ int taken = fd;
	_cleanup_free_ struct vhost_backend *backend = calloc(1, sizeof(*backend));
	int r;

	if (!backend)
		return -ENOMEM;
	backend->ops = ops;
	backend->device = device;
	backend->fd = fd;
	r = uv_poll_init(loop, &backend->poll, fd);
	if (r < 0)
		return r;
	backend->poll.data = backend;
	backend->polled = true;
	for (unsigned i = 0; i < VHOST_QUEUES_MAX; i++)
		vhost_queue_init(&backend->queues[i], loop, ops, device, i);
	(void)TAKE_FD(taken);
	r = uv_poll_start(&backend->poll, UV_READABLE, on_socket);
	if (r < 0) {
		vhost_backend_free(TAKE_PTR(backend));
		return r;
	}
	*ret = TAKE_PTR(backend);
	return 0;
}
