/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vhost_queue.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "front/vhost/vring_internal.h"

/* So many kicks in a row without anything new are let through; then the kick is paused. */
#define IDLE_KICKS_MAX 16u

void vhost_queue_init(struct vhost_queue *queue, uv_loop_t *loop,
		      const struct vhost_device_ops *ops, void *device, unsigned index,
		      struct ledger *ledger)
{
	*queue = (struct vhost_queue){
		.loop = loop,
		.ops = ops,
		.device = device,
		.index = index,
		.call_fd = -1,
		.err_fd = -1,
		.ledger = ledger,
	};
}

void vhost_queue_recall(struct vhost_queue *queue)
{
	queue->resumes = ledger_queue(queue->ledger, queue->index, &queue->base);
}

/* Stops with the base kept, so that the queue can go on where it was. */
static void stop(struct vhost_queue *queue)
{
	struct vring *ring = TAKE_PTR(queue->ring);

	if (!ring)
		return;
	kick_stop(queue->kick);
	queue->ops->stopped(queue->device, queue->index);
	queue->base = vring_base(ring);
	queue->last.base = queue->base;
	/* A broken one has not given back all that it took. */
	queue->last.known = !vring_is_broken(ring);
	vring_free(ring);
	/* Behind the flush: until here the used index, and the offset, say the same. */
	ledger_stopped(queue->ledger, queue->index, queue->base);
}

void vhost_queue_done(struct vhost_queue *queue)
{
	stop(queue);
	kick_free(TAKE_PTR(queue->kick));
	queue->call_fd = tsk_close(queue->call_fd);
	queue->err_fd = tsk_close(queue->err_fd);
}

uint16_t vhost_queue_end(struct vhost_queue *queue)
{
	stop(queue);
	kick_free(TAKE_PTR(queue->kick));
	return queue->base;
}

int vhost_queue_set_size(struct vhost_queue *queue, uint32_t size)
{
	if (size == 0 || size > VRING_SIZE_MAX || (size & (size - 1)) != 0)
		return -EINVAL;
	if (queue->ring && size != queue->size)
		return -EBUSY;
	queue->size = size;
	queue->cannot_run = false;
	return 0;
}

int vhost_queue_set_base(struct vhost_queue *queue, uint32_t base)
{
	if (base > UINT16_MAX)
		return -EINVAL;
	if (queue->ring)
		return -EBUSY;
	queue->base = (uint16_t)base;
	queue->resumes = false;
	ledger_stopped(queue->ledger, queue->index, queue->base);
	return 0;
}

int vhost_queue_set_addr(struct vhost_queue *queue, const struct vhost_user_addr *addr)
{
	const struct vhost_user_addr *have = &queue->addr;

	if (addr->flags != 0 || addr->desc % 16 != 0 || addr->avail % 2 != 0 || addr->used % 4 != 0)
		return -EINVAL;
	if (queue->ring &&
	    (addr->desc != have->desc || addr->avail != have->avail || addr->used != have->used))
		return -EBUSY;
	queue->addr = *addr;
	queue->has_addr = true;
	queue->cannot_run = false;
	return 0;
}

int vhost_queue_set_enabled(struct vhost_queue *queue, uint32_t enabled)
{
	if (enabled > 1)
		return -EINVAL;
	queue->enabled = enabled;
	if (!enabled)
		stop(queue);
	return 0;
}

/* Keeps fd, an eventfd or -1, in *at. */
static int replace_eventfd(int *at, int fd)
{
	if (fd >= 0 && !kick_is_eventfd(fd)) {
		tsk_close(fd);
		return -EINVAL;
	}
	tsk_close(*at);
	*at = fd;
	return 0;
}

int vhost_queue_set_call(struct vhost_queue *queue, int fd)
{
	int r = replace_eventfd(&queue->call_fd, fd);

	if (r == 0 && queue->ring)
		vring_set_call(queue->ring, fd);
	return r;
}

int vhost_queue_set_err(struct vhost_queue *queue, int fd)
{
	return replace_eventfd(&queue->err_fd, fd);
}

/* A driver that kicks without offering anything is heard less often. */
static void on_kick(void *context)
{
	struct vhost_queue *queue = context;
	uint16_t idx = vring_avail_idx(queue->ring);

	if (idx != queue->kick_idx) {
		queue->kick_idx = idx;
		queue->idle_kicks = 0;
	} else if (++queue->idle_kicks > IDLE_KICKS_MAX) {
		queue->idle_kicks = 0;
		kick_pause(queue->kick);
	}
	queue->ops->kicked(queue->device, queue->index);
}

int vhost_queue_set_kick(struct vhost_queue *queue, int fd)
{
	bool polled = fd < 0;
	struct kick *kick;
	int r;

	if (fd >= 0 && !kick_is_eventfd(fd)) {
		tsk_close(fd);
		return -EINVAL;
	}
	r = kick_new(queue->loop, fd, on_kick, queue, &kick);
	if (r < 0)
		return r;
	kick_free(queue->kick);
	queue->kick = kick;
	queue->kick_is_polled = polled;
	if (queue->ring && !vring_is_broken(queue->ring)) {
		kick_start(kick);
		/* The last kick of the old one may not have been heard. */
		queue->ops->kicked(queue->device, queue->index);
	}
	return 0;
}

void vhost_queue_set_memory(struct vhost_queue *queue, struct guest_memory *memory)
{
	queue->cannot_run = false;
	if (queue->ring && (!memory || vring_set_memory(queue->ring, memory) < 0))
		stop(queue);
}

static void on_broke(void *context, const char *why)
{
	static const uint64_t one = 1;
	struct vhost_queue *queue = context;

	tsk_warning("vhost-user: queue %u is broken by its driver: %s", queue->index, why);
	kick_stop(queue->kick);
	if (queue->err_fd >= 0 && write(queue->err_fd, &one, sizeof(one)) < 0)
		return; /* full: told already */
}

static bool may_run(const struct vhost_queue *queue, uint64_t features)
{
	/* Where protocol features were not negotiated there is no SET_VRING_ENABLE. */
	bool enabled = queue->enabled || !(features & VHOST_USER_F_PROTOCOL_FEATURES);

	return enabled && queue->size && queue->has_addr && queue->kick;
}

static enum vhost_begin how_it_begins(const struct vhost_queue *queue, uint64_t features)
{
	const struct vhost_user_addr *now = &queue->addr, *then = &queue->last.addr;

	if (!queue->last.known || queue->base != queue->last.base ||
	    queue->size != queue->last.size || features != queue->last.features ||
	    now->desc != then->desc || now->avail != then->avail || now->used != then->used)
		return VHOST_BEGINS_ANEW;
	return queue->base ? VHOST_BEGINS_AGAIN : VHOST_BEGINS_UNUSED;
}

/* It runs: tells the device. */
static void started(struct vhost_queue *queue, uint64_t features)
{
	enum vhost_begin begin = how_it_begins(queue, features);

	queue->last.size = queue->size;
	queue->last.addr = queue->addr;
	queue->last.features = features;
	queue->ops->started(queue->device, queue->index, queue->ring, begin);
	/* What the driver offered before is waiting without a kick. */
	if (queue->ring)
		queue->ops->kicked(queue->device, queue->index);
}

static void cannot_start(struct vhost_queue *queue, int error)
{
	if (!queue->is_short || error != -ENOMEM)
		tsk_warning("vhost-user: queue %u cannot run: %s", queue->index,
			    error == -EFAULT ? "its ring is not in the guest's memory"
					     : strerror(-error));
	queue->is_short = error == -ENOMEM;
	queue->cannot_run = error != -ENOMEM;
}

int vhost_queue_update(struct vhost_queue *queue, uint64_t features, struct guest_memory *memory)
{
	struct vring_config config = {
		.size = queue->size,
		.event_idx = features & VIRTIO_F_RING_EVENT_IDX,
		.indirect = features & VIRTIO_F_RING_INDIRECT_DESC,
		.resumes = queue->resumes,
		.base = queue->base,
		.desc = queue->addr.desc,
		.avail = queue->addr.avail,
		.used = queue->addr.used,
		.broke = on_broke,
		.context = queue,
	};
	int r;

	if (queue->ring || queue->cannot_run || !memory || !may_run(queue, features))
		return 0;
	r = vring_new(&config, memory, queue->call_fd, &queue->ring);
	if (r < 0) {
		cannot_start(queue, r);
		return r;
	}
	queue->is_short = false;
	ledger_runs(queue->ledger, queue->index, vring_offset(queue->ring));
	if (queue->resumes)
		vring_signal(queue->ring);
	queue->resumes = false;
	queue->kick_idx = vring_base(queue->ring);
	queue->idle_kicks = 0;
	if (!vring_is_broken(queue->ring))
		kick_start(queue->kick);
	started(queue, features);
	return 0;
}
