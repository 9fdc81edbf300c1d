/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/memfd.h"

#define MAGIC UINT32_C(0x4b4f5454) /* "TTOK" */
#define FD_FIRST 3                 /* 0 to 2 are never handed over */
#define FDS_MAX (4 + DEVICE_FDS_MAX)

struct header {
	uint32_t magic, version, record_bytes, n;
};

struct takeover_record *takeover_add(struct takeover *takeover, enum takeover_type type)
{
	struct takeover_record *list;

	if (takeover->n == TAKEOVER_RECORDS_MAX)
		return NULL;
	list = reallocarray(takeover->list, takeover->n + 1, sizeof(*list));
	if (!list)
		return NULL;
	takeover->list = list;
	list += takeover->n++;
	memset(list, 0, sizeof(*list));
	list->type = type;
	return list;
}

void takeover_tag(char ret[TAKEOVER_TAG_SIZE])
{
	snprintf(ret, TAKEOVER_TAG_SIZE, "%u.%zu", TAKEOVER_VERSION,
		 sizeof(struct takeover_record));
}

/* The places of a record's fds: their number. */
static unsigned list_fds(struct takeover_record *record, int32_t *ret[FDS_MAX])
{
	struct takeover_device *device = &record->device;
	unsigned n = 0;

	switch (record->type) {
	case TAKEOVER_LISTENER:
		ret[n++] = &record->listener.fd;
		break;
	case TAKEOVER_DEVICE:
		ret[n++] = &device->channel_fd;
		ret[n++] = &device->vmm_fd;
		ret[n++] = &device->ledger_fd;
		ret[n++] = &device->next_vmm_fd;
		for (unsigned i = 0; i < DEVICE_FDS_MAX; i++)
			ret[n++] = &device->kept[i];
		break;
	case TAKEOVER_FRONT:
		ret[n++] = &record->front.fd;
		ret[n++] = &record->front.answer_fd;
		break;
	case TAKEOVER_WAITING:
		ret[n++] = &record->waiting.fd;
		break;
	default:
		break;
	}
	return n;
}

static bool is_text(const char *text, size_t size)
{
	return memchr(text, '\0', size);
}

static bool is_name(const char *name)
{
	return is_text(name, FRONT_NAME_SIZE) && name[0];
}

static bool is_path(const char *path)
{
	return is_text(path, ADDRESS_PATH_SIZE);
}

static bool is_valid(const struct takeover_record *record)
{
	const struct takeover_device *device = &record->device;

	switch (record->type) {
	case TAKEOVER_DAEMON:
		return is_path(record->daemon.made_folder);
	case TAKEOVER_LISTENER:
		return record->listener.fd >= 0 && is_path(record->listener.path);
	case TAKEOVER_GUEST:
		return is_name(record->guest.name) && is_path(record->guest.vhost_socket) &&
		       is_path(record->guest.uds) && is_path(record->guest.hybrid);
	case TAKEOVER_DEVICE:
		/* A session has both or none of these. */
		return is_name(device->name) && device->state_bytes <= DEVICE_STATE_MAX &&
		       (device->vmm_fd < 0) == (device->ledger_fd < 0);
	case TAKEOVER_FRONT:
		return is_name(record->front.name) && record->front.pid > 0 &&
		       record->front.fd >= 0 &&
		       record->front.run_deadline_ms <= TAKEOVER_DEADLINE_MAX_MS;
	case TAKEOVER_WORKER:
		return record->worker.pid > 0;
	case TAKEOVER_WAITING:
		return record->waiting.fd >= 0 && (record->waiting.msg_type == FRONT_CONNECTION ||
						   record->waiting.msg_type == FRONT_HOST_STREAM);
	default:
		return false;
	}
}

/* In which order they may come. */
static bool may_follow(uint32_t type, uint32_t before)
{
	if (type == TAKEOVER_DAEMON || !before)
		return type == TAKEOVER_DAEMON && !before;
	if (type == TAKEOVER_WAITING)
		return before >= TAKEOVER_FRONT;
	return type != TAKEOVER_WORKER || before == TAKEOVER_FRONT || before == TAKEOVER_WORKER;
}

/* Marks the record's fds in seen, a bit each; false where one was there, or can be none. */
static bool mark_fds(struct takeover_record *record, unsigned char *seen)
{
	int32_t *fds[FDS_MAX];
	unsigned n = list_fds(record, fds);

	for (unsigned i = 0; i < n; i++) {
		int32_t fd = *fds[i];

		if (fd == -1)
			continue;
		if (fd < FD_FIRST || fd >= TAKEOVER_FD_MAX || seen[fd / 8] & 1u << fd % 8)
			return false;
		seen[fd / 8] |= (unsigned char)(1u << fd % 8);
	}
	return true;
}

static int check(struct takeover *takeover)
{
	_cleanup_free_ unsigned char *seen = calloc(1, TAKEOVER_FD_MAX / 8);
	uint32_t before = 0;

	if (!seen)
		return -ENOMEM;
	for (unsigned i = 0; i < takeover->n; i++) {
		struct takeover_record *record = &takeover->list[i];

		if (!is_valid(record) || !may_follow(record->type, before) ||
		    !mark_fds(record, seen))
			return -EPROTO;
		before = record->type;
	}
	return 0;
}

int takeover_parse(const void *bytes, size_t size, struct takeover *ret)
{
	struct takeover takeover = { 0 };
	struct header header;
	int r;

	if (size < sizeof(header))
		return -EPROTO;
	memcpy(&header, bytes, sizeof(header));
	if (header.magic != MAGIC)
		return -EPROTO;
	if (header.version != TAKEOVER_VERSION || header.record_bytes != sizeof(*takeover.list))
		return -EPROTONOSUPPORT;
	size -= sizeof(header);
	if (!header.n || header.n > TAKEOVER_RECORDS_MAX ||
	    size != header.n * sizeof(*takeover.list))
		return -EPROTO;
	takeover.list = malloc(size);
	if (!takeover.list)
		return -ENOMEM;
	memcpy(takeover.list, (const unsigned char *)bytes + sizeof(header), size);
	takeover.n = header.n;
	r = check(&takeover);
	if (r < 0)
		takeover_done(&takeover);
	else
		*ret = takeover;
	return r;
}

int takeover_write(const struct takeover *takeover, int *ret_fd)
{
	struct header header = { MAGIC, TAKEOVER_VERSION, sizeof(*takeover->list), takeover->n };
	size_t bytes = takeover->n * sizeof(*takeover->list);
	_cleanup_close_ int fd = -1;
	struct tsk_map map;
	int r = tsk_memfd_new("takeover", sizeof(header) + bytes, &fd);

	if (r == 0)
		r = tsk_map_new(fd, sizeof(header) + bytes, true, &map);
	if (r < 0)
		return r;
	memcpy(map.addr, &header, sizeof(header));
	if (bytes)
		memcpy((unsigned char *)map.addr + sizeof(header), takeover->list, bytes);
	tsk_map_done(&map);
	r = tsk_memfd_freeze(fd);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

int takeover_read(int fd_, struct takeover *ret)
{
	_cleanup_close_ int fd = fd_;
	struct tsk_map map;
	uint64_t size;
	int r = tsk_memfd_check(fd, true, &size);

	if (r == 0)
		r = tsk_map_new(fd, size, false, &map);
	if (r < 0)
		return r;
	r = takeover_parse(map.addr, map.size, ret);
	tsk_map_done(&map);
	if (r == 0 && takeover_set_cloexec(ret, true) < 0) {
		takeover_done(ret); /* which of them are ours, nobody knows */
		r = -EPROTO;
	}
	return r;
}

int takeover_set_cloexec(const struct takeover *takeover, bool on)
{
	int r = 0;

	for (unsigned i = 0; i < takeover->n; i++) {
		int32_t *fds[FDS_MAX];
		unsigned n = list_fds(&takeover->list[i], fds);

		for (unsigned k = 0; k < n; k++) {
			if (*fds[k] >= 0 && fcntl(*fds[k], F_SETFD, on ? FD_CLOEXEC : 0) < 0)
				r = -errno;
		}
	}
	return r;
}

void takeover_close(struct takeover *takeover)
{
	for (unsigned i = 0; i < takeover->n; i++) {
		int32_t *fds[FDS_MAX];
		unsigned n = list_fds(&takeover->list[i], fds);

		for (unsigned k = 0; k < n; k++)
			*fds[k] = tsk_close(*fds[k]);
	}
}

void takeover_done(struct takeover *takeover)
{
	free(takeover->list);
	*takeover = (struct takeover){ 0 };
}
