/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vring.h"

#include <endian.h>
#include <errno.h>

#include "base/bytes.h"
#include "front/vhost/vring_internal.h"

/* VIRTIO 1.2 §2.7.5 to §2.7.8: what lies in the guest's memory, little-endian. */
enum {
	DESC_F_NEXT = 1,
	DESC_F_WRITE = 2,
	DESC_F_INDIRECT = 4
};
enum {
	AVAIL_F_NO_INTERRUPT = 1
};
enum {
	USED_F_NO_NOTIFY = 1
};

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[]; /* then used_event */
};

struct used_elem {
	uint32_t id;
	uint32_t len;
};

struct used {
	uint16_t flags;
	uint16_t idx;
	struct used_elem ring[]; /* then avail_event */
};

struct parts {
	const struct desc *desc;
	const struct avail *avail;
	struct used *used;
};

struct vring {
	struct vring_config config;
	struct guest_memory *memory;
	struct parts parts;
	int call_fd; /* the back end's */

	/* Free-running indices, all private: the driver may write any nonsense to its memory. */
	uint16_t next_avail;  /* to be popped next */
	uint16_t seen_avail;  /* the driver's index, as last copied and checked */
	uint16_t next_used;   /* to be pushed next */
	uint16_t shown_used;  /* published to the driver */
	uint16_t judged_used; /* up to here it has been decided whether to signal */
	uint16_t popped;      /* chains popped and not pushed */

	bool judged; /* judged_used holds; else the next flush signals */
	bool owes;   /* not yet decided for what was shown last */
	bool want_kicks;
	bool broken;
};

static uint16_t load16(const uint16_t *p, int order)
{
	return le16toh(__atomic_load_n(p, order));
}

static void store16(uint16_t *p, uint16_t v, int order)
{
	__atomic_store_n(p, htole16(v), order);
}

static const uint16_t *used_event(const struct vring *ring)
{
	return &ring->parts.avail->ring[ring->config.size];
}

static uint16_t *avail_event(struct vring *ring)
{
	/* Behind the last element; reached by bytes, for it is no element. */
	return (uint16_t *)(void *)((unsigned char *)ring->parts.used + sizeof(struct used) +
				    ring->config.size * sizeof(struct used_elem));
}

static uint16_t slot(const struct vring *ring, uint16_t index)
{
	return (uint16_t)(index & (ring->config.size - 1));
}

/* Marks the queue broken.  Returns -EPROTO. */
static int vring_break(struct vring *ring, const char *why)
{
	if (!ring->broken) {
		ring->broken = true;
		ring->config.broke(ring->config.context, why);
	}
	return -EPROTO;
}

/* ---- life ---- */

static bool aligned(const void *p, size_t alignment)
{
	return p && ((uintptr_t)p & (alignment - 1)) == 0;
}

static int find_parts(const struct vring_config *config, const struct guest_memory *memory,
		      struct parts *ret)
{
	uint64_t event = config->event_idx ? sizeof(uint16_t) : 0;
	uint64_t n = config->size;
	struct parts found = {
		.desc = guest_memory_user(memory, config->desc, n * sizeof(struct desc)),
		.avail = guest_memory_user(memory, config->avail,
					   sizeof(struct avail) + n * sizeof(uint16_t) + event),
		.used = guest_memory_user(memory, config->used,
					  sizeof(struct used) + n * sizeof(struct used_elem) +
						  event),
	};

	if (!found.desc || !found.avail || !found.used)
		return -EFAULT;
	if (!aligned(found.desc, 16) || !aligned(found.avail, 2) || !aligned(found.used, 4))
		return -EINVAL;
	*ret = found;
	return 0;
}

int vring_new(const struct vring_config *config, struct guest_memory *memory, int call_fd,
	      struct vring **ret)
{
	struct parts parts;
	struct vring *ring;
	int r;

	if (config->size == 0 || config->size > VRING_SIZE_MAX ||
	    (config->size & (config->size - 1)) != 0)
		return -EINVAL;
	r = find_parts(config, memory, &parts);
	if (r < 0)
		return r;
	ring = malloc(sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	*ring = (struct vring){
		.config = *config,
		.memory = guest_memory_ref(memory),
		.parts = parts,
		.call_fd = call_fd,
		.next_avail = config->base,
		.next_used = load16(&parts.used->idx, __ATOMIC_RELAXED),
	};
	ring->shown_used = ring->next_used;
	/* What was popped and not shown to the driver is popped again. */
	if (config->resumes)
		ring->next_avail = (uint16_t)(ring->next_avail + ring->next_used);
	ring->seen_avail = ring->next_avail;
	vring_want_kicks(ring, true);
	*ret = ring;
	return 0;
}

struct vring *vring_free(struct vring *ring)
{
	if (!ring)
		return NULL;
	vring_flush(ring);
	guest_memory_unref(ring->memory);
	free(ring);
	return NULL;
}

int vring_set_memory(struct vring *ring, struct guest_memory *memory)
{
	int r = find_parts(&ring->config, memory, &ring->parts);

	if (r < 0)
		return r;
	guest_memory_ref(memory);
	guest_memory_unref(ring->memory);
	ring->memory = memory;
	return 0;
}

void vring_set_call(struct vring *ring, int call_fd)
{
	ring->call_fd = call_fd;
}

uint16_t vring_base(const struct vring *ring)
{
	return (uint16_t)(ring->next_avail - ring->popped);
}

uint16_t vring_offset(const struct vring *ring)
{
	return (uint16_t)(vring_base(ring) - ring->next_used);
}

uint16_t vring_avail_idx(const struct vring *ring)
{
	return load16(&ring->parts.avail->idx, __ATOMIC_RELAXED);
}

bool vring_is_broken(const struct vring *ring)
{
	return ring->broken;
}

/* ---- the available ring ---- */

/* Copies the driver's index.  Returns the number of chains that can be popped, or -EPROTO. */
static int refresh(struct vring *ring)
{
	uint16_t idx, pending, seen;

	if (ring->broken)
		return -EPROTO;
	/* Acquire: the entries below the index were written before it. */
	idx = load16(&ring->parts.avail->idx, __ATOMIC_ACQUIRE);
	pending = (uint16_t)(idx - ring->next_avail);
	seen = (uint16_t)(ring->seen_avail - ring->next_avail);
	if (pending > ring->config.size)
		return vring_break(ring, "avail index is out of range");
	if (pending < seen)
		return vring_break(ring, "avail index has gone backwards");
	ring->seen_avail = idx;
	return pending;
}

unsigned vring_pending(struct vring *ring)
{
	int n = refresh(ring);

	return n < 0 ? 0 : (unsigned)n;
}

/* Asks for a kick at the next chain, then looks again.  As refresh(). */
static int ask_for_kick(struct vring *ring)
{
	if (ring->broken)
		return -EPROTO;
	if (ring->config.event_idx)
		store16(avail_event(ring), ring->seen_avail, __ATOMIC_RELAXED);
	else
		store16(&ring->parts.used->flags, 0, __ATOMIC_RELAXED);
	/* Either the driver sees the wish, or we see its chain. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return refresh(ring);
}

bool vring_want_kicks(struct vring *ring, bool on)
{
	ring->want_kicks = on;
	if (on)
		return ask_for_kick(ring) > 0;
	/* With EVENT_IDX, silence is an avail_event that is not moved on. */
	if (!ring->broken && !ring->config.event_idx)
		store16(&ring->parts.used->flags, USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
	return false;
}

/* ---- descriptor chains ---- */

/* Where a walk stands: in the queue's own table, or in an indirect one. */
struct walk {
	bool indirect;
	uint64_t table;  /* guest address of the indirect table */
	uint32_t n;      /* descriptors in the table */
	uint32_t index;  /* the next one */
	uint32_t walked; /* buffers so far */
};

/* The one place where a descriptor is read, and it is read once. */
static int copy_desc(const struct vring *ring, const struct walk *walk, struct desc *ret)
{
	struct desc raw;

	if (walk->indirect) {
		int r = guest_memory_read(ring->memory, walk->table + walk->index * sizeof(raw),
					  &raw, sizeof(raw));

		if (r < 0)
			return r;
	} else {
		tsk_copy_once(&raw, &ring->parts.desc[walk->index], sizeof(raw));
	}
	ret->addr = le64toh(raw.addr);
	ret->len = le32toh(raw.len);
	ret->flags = le16toh(raw.flags);
	ret->next = le16toh(raw.next);
	return 0;
}

static int enter_indirect(struct vring *ring, struct walk *walk, const struct desc *desc)
{
	uint64_t end;

	if (!ring->config.indirect)
		return vring_break(ring, "indirect descriptor, which was not negotiated");
	if (walk->indirect)
		return vring_break(ring, "indirect table in an indirect table");
	if (desc->flags & DESC_F_NEXT)
		return vring_break(ring, "indirect descriptor that is not the last one");
	if (desc->len == 0 || desc->len % sizeof(struct desc) != 0 ||
	    desc->len / sizeof(struct desc) > ring->config.size)
		return vring_break(ring, "indirect table of an impossible length");
	if (__builtin_add_overflow(desc->addr, desc->len, &end))
		return vring_break(ring, "indirect table outside the guest's memory");
	walk->indirect = true;
	walk->table = desc->addr;
	walk->n = desc->len / (uint32_t)sizeof(struct desc);
	walk->index = 0;
	return 0;
}

static int add_buffer(struct vring *ring, struct vring_chain *chain, const struct desc *desc)
{
	unsigned have = chain->n_out + chain->n_in;
	int n;

	if (!(desc->flags & DESC_F_WRITE) && chain->in_bytes)
		return vring_break(ring, "readable buffer behind a writable one");
	n = guest_memory_iov(ring->memory, desc->addr, desc->len, &chain->iov[have],
			     VRING_IOV_MAX - have);
	if (n == -E2BIG)
		return vring_break(ring, "chain of too many pieces");
	if (n < 0)
		return vring_break(ring, "buffer outside the guest's memory");
	if (desc->flags & DESC_F_WRITE) {
		chain->n_in += (unsigned)n;
		chain->in_bytes += desc->len;
	} else {
		chain->n_out += (unsigned)n;
		chain->out_bytes += desc->len;
	}
	return 0;
}

/* Takes one descriptor.  1: more follow, 0: it was the last. */
static int walk_step(struct vring *ring, struct walk *walk, struct vring_chain *chain)
{
	struct desc desc;
	int r;

	if (walk->index >= walk->n)
		return vring_break(ring, "descriptor index is out of range");
	if (copy_desc(ring, walk, &desc) < 0)
		return vring_break(ring, "indirect table outside the guest's memory");
	if (desc.flags & DESC_F_INDIRECT) {
		r = enter_indirect(ring, walk, &desc);
		return r < 0 ? r : 1;
	}
	if (walk->walked++ == ring->config.size)
		return vring_break(ring, "descriptor loop, or a chain longer than the queue");
	r = add_buffer(ring, chain, &desc);
	if (r < 0)
		return r;
	walk->index = desc.next;
	return desc.flags & DESC_F_NEXT ? 1 : 0;
}

static int read_chain(struct vring *ring, uint16_t head, struct vring_chain *ret)
{
	struct walk walk = { .n = ring->config.size, .index = head };
	int r;

	ret->head = head;
	ret->n_out = ret->n_in = 0;
	ret->out_bytes = ret->in_bytes = 0;
	do
		r = walk_step(ring, &walk, ret);
	while (r > 0);
	return r;
}

int vring_pop(struct vring *ring, struct vring_chain *ret)
{
	uint16_t head;
	int r = ring->broken ? -EPROTO : 1;

	if (r > 0 && ring->seen_avail == ring->next_avail) {
		r = refresh(ring);
		if (r == 0 && ring->want_kicks)
			r = ask_for_kick(ring);
	}
	if (r <= 0)
		return r;
	head = load16(&ring->parts.avail->ring[slot(ring, ring->next_avail)], __ATOMIC_RELAXED);
	if (head >= ring->config.size)
		return vring_break(ring, "head is out of range");
	r = read_chain(ring, head, ret);
	if (r < 0)
		return r;
	ring->next_avail++;
	ring->popped++;
	return 1;
}

void vring_unpop(struct vring *ring, unsigned n)
{
	if (ring->broken || n > ring->popped)
		return;
	ring->next_avail = (uint16_t)(ring->next_avail - n);
	ring->popped = (uint16_t)(ring->popped - n);
}

/* ---- the used ring ---- */

void vring_push(struct vring *ring, uint16_t head, uint32_t written)
{
	struct used_elem *elem = &ring->parts.used->ring[slot(ring, ring->next_used)];

	if (ring->broken)
		return;
	__atomic_store_n(&elem->id, htole32((uint32_t)head), __ATOMIC_RELAXED);
	__atomic_store_n(&elem->len, htole32(written), __ATOMIC_RELAXED);
	ring->next_used++;
	if (ring->popped)
		ring->popped--;
	/* Never more unpublished than there are slots, however the driver refills behind us. */
	if ((uint16_t)(ring->next_used - ring->shown_used) == ring->config.size)
		vring_flush(ring);
}

/* Whether the driver wants a signal for what has been published since that was last decided. */
static bool wants_signal(struct vring *ring)
{
	uint16_t event, shown = ring->shown_used;

	if (!ring->judged)
		return true;
	if (!ring->config.event_idx)
		return !(load16(&ring->parts.avail->flags, __ATOMIC_RELAXED) &
			 AVAIL_F_NO_INTERRUPT);
	event = load16(used_event(ring), __ATOMIC_RELAXED);
	return (uint16_t)(shown - event - 1) < (uint16_t)(shown - ring->judged_used);
}

void vring_signal(struct vring *ring)
{
	static const uint64_t one = 1;

	/* A full counter (EAGAIN) is a signal not yet taken; another failure is the VMM's loss. */
	if (ring->call_fd >= 0 && write(ring->call_fd, &one, sizeof(one)) < 0)
		return;
}

static void settle(struct vring *ring)
{
	ring->judged_used = ring->shown_used;
	ring->judged = true;
	ring->owes = false;
}

void vring_show(struct vring *ring)
{
	if (ring->broken || ring->next_used == ring->shown_used)
		return;
	/* Release: the elements are written before the index that shows them. */
	store16(&ring->parts.used->idx, ring->next_used, __ATOMIC_RELEASE);
	ring->shown_used = ring->next_used;
	ring->owes = true;
	/* Either the driver sees the index, or we see that it wants a signal. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

bool vring_owes_signal(struct vring *ring)
{
	if (ring->broken || !ring->owes)
		return false;
	if (!wants_signal(ring))
		settle(ring);
	return ring->owes;
}

void vring_flush(struct vring *ring)
{
	vring_show(ring);
	if (!vring_owes_signal(ring))
		return;
	settle(ring);
	vring_signal(ring);
}
