/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/backend.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "front/vhost/guest_memory.h"
#include "front/vhost/vhost_incoming.h"
#include "front/vhost/vhost_queue.h"
#include "front/vhost/vhost_saved.h"
#include "front/vhost/vhost_user.h"

#define MESSAGES_PER_WAKE 16u /* then the rest of the loop has its turn */
#define LOOKS_MAX 16u         /* at a part of a message to which nothing is added; then a pause */
#define PAUSE_MS 2u
#define RETRY_MS 100u /* to start a queue that found no memory */

#define FEATURES                                                                      \
	(VIRTIO_F_VERSION_1 | VIRTIO_F_RING_EVENT_IDX | VIRTIO_F_RING_INDIRECT_DESC | \
	 VHOST_USER_F_PROTOCOL_FEATURES)
#define PROTOCOL_FEATURES                                             \
	(VHOST_USER_PROTOCOL_F_MQ | VHOST_USER_PROTOCOL_F_REPLY_ACK | \
	 VHOST_USER_PROTOCOL_F_CONFIG | VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)

struct vhost_backend {
	const struct vhost_device_ops *ops;
	void *device;
	int fd;
	uv_poll_t poll;
	uv_timer_t pause, retry;
	unsigned n_handles; /* not closed yet */
	bool shut;          /* nothing is served any more */
	bool released;      /* by its owner: freed as soon as the handles are closed */

	struct vhost_incoming in; /* stays in the socket until its step is made */
	struct vhost_keeper keeper;
	bool stepping;          /* the keeper has not answered */
	struct device_msg step; /* of the message that is being served */
	int step_fds[DEVICE_FDS_MAX];
	struct vhost_saved saved; /* of it: features and regions are always up to date */
	struct guest_memory *memory;
	struct vhost_queue queues[VHOST_QUEUES_MAX];
};

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle)
{
	struct vhost_backend *backend = handle->data;

	if (--backend->n_handles == 0 && backend->released)
		free(backend);
}

/* Ends the session.  The device's ops are called, and may release the back end. */
static void shut(struct vhost_backend *backend)
{
	if (backend->shut)
		return;
	backend->shut = true;
	uv_close((uv_handle_t *)&backend->poll, on_closed);
	uv_close((uv_handle_t *)&backend->pause, on_closed);
	uv_close((uv_handle_t *)&backend->retry, on_closed);
	backend->fd = tsk_close(backend->fd);
	vhost_incoming_reset(&backend->in);
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
	if (!backend->n_handles)
		free(backend);
}

/* ---- the step of a message ---- */

/* The fd of this number is kept; it is open until the step is sent. */
static void keep(struct vhost_backend *backend, unsigned number, int fd)
{
	backend->step.kept |= UINT64_C(1) << number;
	backend->step_fds[number] = fd;
}

static void let_go(struct vhost_backend *backend, unsigned number)
{
	backend->step.dropped |= UINT64_C(1) << number;
}

static void save_queue(const struct vhost_queue *queue, struct vhost_saved_queue *ret)
{
	*ret = (struct vhost_saved_queue){
		.size = queue->size,
		.has_addr = queue->has_addr,
		.enabled = queue->enabled,
		.kick = (uint8_t)(!queue->kick            ? VHOST_SAVED_NO_KICK
				  : queue->kick_is_polled ? VHOST_SAVED_POLLED
							  : VHOST_SAVED_KICK_FD),
		.addr = queue->addr,
	};
	ret->addr.index = queue->index;
}

/* Hands the message's step to the keeper.  -errno: it cannot be made. */
static int make_step(struct vhost_backend *backend)
{
	int fds[DEVICE_FDS_MAX], r;
	unsigned n = 0;

	for (unsigned q = 0; q < VHOST_QUEUES_MAX; q++)
		save_queue(&backend->queues[q], &backend->saved.queues[q]);
	backend->step.type = DEVICE_STEP;
	backend->step.consume = (uint32_t)(VHOST_USER_HEADER_SIZE + backend->in.header.size);
	backend->step.state_bytes = sizeof(backend->saved);
	memcpy(backend->step.state, &backend->saved, sizeof(backend->saved));
	for (unsigned i = 0; i < DEVICE_FDS_MAX; i++) {
		if (backend->step.kept & UINT64_C(1) << i)
			fds[n++] = backend->step_fds[i];
	}
	r = backend->keeper.step(backend->keeper.context, &backend->step, fds);
	backend->stepping = r == 0;
	return r;
}

/* ---- the requests: 0, or -errno when the VMM asks for what cannot be ---- */

static int reply_u64(struct vhost_backend *backend, uint32_t request, uint64_t value)
{
	backend->step.reply_bytes =
		(uint32_t)vhost_user_reply_u64(request, value, backend->step.reply);
	return 0;
}

static struct vhost_queue *find_queue(struct vhost_backend *backend, uint32_t index)
{
	return index < VHOST_QUEUES_MAX ? &backend->queues[index] : NULL;
}

/* Starts what can run now.  -ENOMEM: one of them cannot run for that. */
static int update_queues(struct vhost_backend *backend)
{
	int r = 0;

	for (unsigned i = 0; i < VHOST_QUEUES_MAX && !backend->shut; i++) {
		if (backend->saved.features_known &&
		    vhost_queue_update(&backend->queues[i], backend->saved.features,
				       backend->memory) == -ENOMEM)
			r = -ENOMEM;
	}
	return r;
}

static uint64_t offered_features(const struct vhost_backend *backend)
{
	return FEATURES | backend->ops->features;
}

static int get_features(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	return reply_u64(backend, msg->header.request, offered_features(backend));
}

static void tell_features(struct vhost_backend *backend)
{
	if (backend->ops->acknowledged)
		backend->ops->acknowledged(backend->device, backend->saved.features);
}

static int set_features(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	if (msg->u64 & ~offered_features(backend))
		return -EINVAL;
	backend->saved.features = msg->u64;
	backend->saved.features_known = true;
	tell_features(backend);
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
	for (unsigned i = 0; i < VHOST_QUEUES_MAX && !backend->shut; i++) {
		vhost_queue_end(&backend->queues[i]);
		let_go(backend, VHOST_FD_KICK + i);
	}
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

	if (r < 0)
		return r;
	for (unsigned i = 0; i < GUEST_MEMORY_REGIONS_MAX; i++)
		let_go(backend, i);
	for (unsigned i = 0; i < msg->table.n; i++) {
		backend->saved.regions[i] = msg->table.regions[i];
		keep(backend, i, backend->in.fds[i]);
	}
	backend->saved.regions_used = (uint32_t)((UINT64_C(1) << msg->table.n) - 1);
	set_memory(backend, memory);
	return 0;
}

static int add_mem_reg(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	struct guest_memory *memory;
	int number = vhost_saved_free_number(&backend->saved);
	int r = number < 0 ? -EINVAL
			   : guest_memory_add(backend->memory, &msg->region, backend->in.fds[0],
					      &memory);

	if (r < 0)
		return r;
	backend->saved.regions[number] = msg->region;
	backend->saved.regions_used |= UINT32_C(1) << number;
	keep(backend, (unsigned)number, backend->in.fds[0]);
	set_memory(backend, memory);
	return 0;
}

static int rem_mem_reg(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	struct guest_memory *memory;
	int number = vhost_saved_find(&backend->saved, &msg->region);
	int r = number < 0 ? -ENOENT : guest_memory_remove(backend->memory, &msg->region, &memory);

	if (r < 0)
		return r;
	backend->saved.regions_used &= ~(UINT32_C(1) << number);
	let_go(backend, (unsigned)number);
	set_memory(backend, memory);
	return 0;
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

	if (!queue)
		return -EINVAL;
	state.num = vhost_queue_end(queue);
	let_go(backend, VHOST_FD_KICK + queue->index);
	backend->step.reply_bytes =
		(uint32_t)vhost_user_reply_state(msg->header.request, &state, backend->step.reply);
	return 0;
}

static int set_vring_enable(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	struct vhost_queue *queue = find_queue(backend, msg->state.index);

	return queue ? vhost_queue_set_enabled(queue, msg->state.num) : -EINVAL;
}

/* SET_VRING_KICK, _CALL and _ERR: hands the fd over, or -1.  number: of queue 0's such fd. */
static int set_ring_fd(struct vhost_backend *backend, const struct vhost_user_message *msg,
		       unsigned number, int (*set)(struct vhost_queue *queue, int fd))
{
	struct vhost_queue *queue = find_queue(backend, msg->ring_fd.index);
	int fd = msg->ring_fd.has_fd ? TAKE_FD(backend->in.fds[0]) : -1, r;

	if (!queue) {
		tsk_close(fd);
		return -EINVAL;
	}
	r = set(queue, fd);
	if (r < 0)
		return r;
	let_go(backend, number + queue->index);
	if (fd >= 0)
		keep(backend, number + queue->index, fd);
	return 0;
}

static int set_vring_kick(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	return set_ring_fd(backend, msg, VHOST_FD_KICK, vhost_queue_set_kick);
}

static int set_vring_call(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	return set_ring_fd(backend, msg, VHOST_FD_CALL, vhost_queue_set_call);
}

static int set_vring_err(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	return set_ring_fd(backend, msg, VHOST_FD_ERR, vhost_queue_set_err);
}

static int get_config(struct vhost_backend *backend, const struct vhost_user_message *msg)
{
	const struct vhost_user_config *config = &msg->config;
	unsigned char space[VHOST_USER_CONFIG_MAX] = { 0 };
	size_t len;

	if (config->size > sizeof(space) || config->offset > sizeof(space) - config->size) {
		len = vhost_user_reply_empty(msg->header.request, backend->step.reply);
	} else {
		backend->ops->config(backend->device, config->offset, space, config->size);
		len = vhost_user_reply_config(config, space, backend->step.reply);
	}
	backend->step.reply_bytes = (uint32_t)len;
	return 0;
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

static void on_retry(uv_timer_t *timer);

/* The VMM has said all that is to be said of a queue, and will not say it again: what has no memory now has it later. */
static void start_queues(struct vhost_backend *backend)
{
	if (update_queues(backend) == -ENOMEM && !backend->shut)
		uv_timer_start(&backend->retry, on_retry, RETRY_MS, 0);
}

static void on_retry(uv_timer_t *timer)
{
	start_queues(timer->data);
}

/* Adds to the step how a request without a reply of its own went, or acts where nobody is told. */
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
	if (acknowledge)
		reply_u64(backend, header->request, result < 0);
}

/* The step is made: the message is out of the socket. */
static void served(struct vhost_backend *backend, int result)
{
	if (result < 0) {
		disconnect(backend, vhost_user_name(backend->in.header.request),
			   result == -EPIPE ? "replies are not read" : strerror(-result));
		return;
	}
	vhost_incoming_reset(&backend->in);
	start_queues(backend);
}

/* A whole message is there. */
static void serve(struct vhost_backend *backend)
{
	const struct vhost_user_header *header = &backend->in.header;
	struct vhost_user_message msg;
	int r = vhost_user_decode(header, backend->in.bytes + VHOST_USER_HEADER_SIZE,
				  backend->in.n_fds, &msg);

	backend->step = (struct device_msg){ .type = DEVICE_STEP };
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
	r = make_step(backend);
	if (r != 0)
		served(backend, r < 0 ? r : 0);
}

static void on_socket(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
	struct vhost_backend *backend = timer->data;

	if (!backend->stepping)
		uv_poll_start(&backend->poll, UV_READABLE, on_socket);
}

/* A part of a message keeps the socket readable: not to spin, it is left alone for a moment. */
static void wait_for_more(struct vhost_backend *backend)
{
	if (++backend->in.looks <= LOOKS_MAX)
		return;
	uv_poll_stop(&backend->poll);
	uv_timer_start(&backend->pause, on_pause_over, PAUSE_MS, 0);
}

/* Takes the next message.  False: there is no whole one now. */
static bool take_message(struct vhost_backend *backend)
{
	int r = vhost_incoming_peek(&backend->in, backend->fd);

	if (r > 0)
		serve(backend);
	else if (r == -EAGAIN)
		wait_for_more(backend);
	else if (r == 0)
		ended(backend);
	else
		disconnect(backend, "",
			   r == -EPROTO   ? "no vhost-user message"
			   : r == -EMFILE ? "too many file descriptors"
					  : strerror(-r));
	return r > 0 && !backend->shut && !backend->stepping;
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	struct vhost_backend *backend = poll->data;

	(void)events;
	if (status < 0) {
		disconnect(backend, "", uv_strerror(status));
		return;
	}
	for (unsigned i = 0; i < MESSAGES_PER_WAKE && take_message(backend); i++)
		;
	if (backend->stepping)
		uv_poll_stop(poll);
}

void vhost_backend_stepped(struct vhost_backend *backend, int result)
{
	if (!backend->stepping || backend->shut)
		return;
	backend->stepping = false;
	served(backend, result);
	if (!backend->shut)
		uv_poll_start(&backend->poll, UV_READABLE, on_socket);
}

/* ---- the beginning ---- */

/* What was kept of queue q; what another process refused is refused here, too. */
static int recall_queue(struct vhost_backend *backend, unsigned q, struct vhost_session *session)
{
	const struct vhost_saved_queue *saved = &backend->saved.queues[q];
	struct vhost_queue *queue = &backend->queues[q];
	int r = 0;

	vhost_queue_recall(queue);
	if (saved->size)
		r = vhost_queue_set_size(queue, saved->size);
	if (r == 0 && saved->has_addr)
		r = vhost_queue_set_addr(queue, &saved->addr);
	if (r == 0)
		r = vhost_queue_set_enabled(queue, saved->enabled);
	if (r == 0)
		r = vhost_queue_set_call(queue, TAKE_FD(session->kept[VHOST_FD_CALL + q]));
	if (r == 0)
		r = vhost_queue_set_err(queue, TAKE_FD(session->kept[VHOST_FD_ERR + q]));
	if (r < 0 || saved->kick == VHOST_SAVED_NO_KICK)
		return r;
	if ((saved->kick == VHOST_SAVED_KICK_FD) != (session->kept[VHOST_FD_KICK + q] >= 0))
		return -EPROTO;
	return vhost_queue_set_kick(queue, TAKE_FD(session->kept[VHOST_FD_KICK + q]));
}

static int recall_memory(struct vhost_backend *backend, const struct vhost_session *session)
{
	const struct vhost_saved *saved = &backend->saved;
	struct guest_region regions[GUEST_MEMORY_REGIONS_MAX];
	int fds[GUEST_MEMORY_REGIONS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < GUEST_MEMORY_REGIONS_MAX; i++) {
		if (!(saved->regions_used & UINT32_C(1) << i))
			continue;
		if (session->kept[i] < 0)
			return -EPROTO;
		fds[n] = session->kept[i];
		regions[n++] = saved->regions[i];
	}
	return n ? guest_memory_new(regions, fds, n, &backend->memory) : 0;
}

static int recall(struct vhost_backend *backend, struct vhost_session *session)
{
	int r = vhost_saved_load(session->state, session->state_bytes, &backend->saved);

	if (r == 0 && backend->saved.features & ~offered_features(backend))
		r = -EPROTO;
	if (r == 0)
		r = recall_memory(backend, session);
	for (unsigned q = 0; q < VHOST_QUEUES_MAX && r == 0; q++)
		r = recall_queue(backend, q, session);
	return r;
}

static int start_handles(struct vhost_backend *backend, uv_loop_t *loop)
{
	int r = uv_poll_init(loop, &backend->poll, backend->fd);

	if (r < 0)
		return r;
	uv_timer_init(loop, &backend->pause); /* cannot fail */
	uv_timer_init(loop, &backend->retry);
	backend->poll.data = backend->pause.data = backend->retry.data = backend;
	backend->n_handles = 3;
	return uv_poll_start(&backend->poll, UV_READABLE, on_socket);
}

void vhost_session_close(struct vhost_session *session)
{
	session->fd = tsk_close(session->fd);
	for (unsigned i = 0; i < DEVICE_FDS_MAX; i++)
		session->kept[i] = tsk_close(session->kept[i]);
}

int vhost_backend_new(uv_loop_t *loop, struct vhost_session *session,
		      const struct vhost_device_ops *ops, void *device, struct vhost_backend **ret)
{
	struct vhost_backend *backend = calloc(1, sizeof(*backend));
	int r = -ENOMEM;

	if (!backend)
		goto fail;
	backend->ops = ops;
	backend->device = device;
	backend->fd = session->fd;
	backend->keeper = session->keeper;
	backend->saved.version = VHOST_SAVED_VERSION;
	for (unsigned i = 0; i < VHOST_QUEUES_MAX; i++)
		vhost_queue_init(&backend->queues[i], loop, ops, device, i, session->ledger);
	r = start_handles(backend, loop);
	if (r == 0 && session->state_bytes)
		r = recall(backend, session);
	if (backend->n_handles)
		(void)TAKE_FD(session->fd);
	if (r < 0)
		goto fail;
	vhost_session_close(session);
	*ret = backend;
	return 0;
fail:
	if (backend && backend->n_handles)
		vhost_backend_free(backend);
	else
		free(backend);
	vhost_session_close(session);
	return r;
}

int vhost_backend_resume(struct vhost_backend *backend)
{
	if (backend->saved.features_known)
		tell_features(backend);
	return update_queues(backend);
}
