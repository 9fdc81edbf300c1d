/* SPDX-License-Identifier: Apache-2.0 */
#include "front/regions.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/status.h"
#include "front/region_fd.h"

#define NAME_SHOWN 64

struct region {
	TAILQ_ENTRY(region) entry;
	uint64_t id; /* of the message that asks for it; 0: it is open */
	struct region_task *task;
	int fd;
	char *name;
	char said[FRONT_REGION_KEY_SIZE + 1]; /* the key, with its slash if it came with one */
	uint64_t offset, bytes;
	uint32_t number;
	unsigned n_held;
	bool is_gone;     /* unregistered: freed when nobody holds it */
	bool is_nameless; /* in no list; the same */
	bool is_sealed;   /* nobody can cut it any more: seals stay */
	dev_t device;
	ino_t inode;
};

void regions_init(struct regions *regions, struct supervisor_link *supervisor)
{
	*regions = (struct regions){ .supervisor = supervisor };
	TAILQ_INIT(&regions->list);
}

static void free_region(struct regions *regions, struct region *region)
{
	regions->n--;
	tsk_close(region->fd);
	free(region->name);
	free(region);
}

static void tell_gone(struct regions *regions, struct region *region)
{
	region->is_gone = true;
	if (regions->gone)
		regions->gone(regions->context, region->number);
}

static void drop(struct regions *regions, struct region *region)
{
	TAILQ_REMOVE(&regions->list, region, entry);
	tell_gone(regions, region);
	if (!region->n_held)
		free_region(regions, region);
}

void regions_done(struct regions *regions)
{
	struct region *region;

	regions->gone = NULL;
	while ((region = TAILQ_FIRST(&regions->list)))
		drop(regions, region);
}

static struct region *find(const struct regions *regions, struct wire_string name)
{
	struct region *region;

	TAILQ_FOREACH(region, &regions->list, entry)
	{
		if (wire_string_equals(name, region->name))
			return region;
	}
	return NULL;
}

static bool has_slash(struct wire_string key)
{
	return key.len && key.bytes[0] == '/';
}

/* shm_open()'s slash is no part of it. */
static int read_key(struct wire_string key, char ret[FRONT_REGION_KEY_SIZE],
		    struct tensock_error *reterr)
{
	size_t slash = has_slash(key), len = key.len - slash;

	memset(ret, 0, FRONT_REGION_KEY_SIZE);
	if (len < FRONT_REGION_KEY_SIZE && len)
		memcpy(ret, key.bytes + slash, len);
	if (front_region_key_check(ret) == 0)
		return 0;
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"Unable to open shared memory region: '%.*s': a key is at most %u letters, "
			"digits and ._-+@:",
			key.len < NAME_SHOWN ? key.len : NAME_SHOWN, key.bytes,
			FRONT_REGION_KEY_SIZE - 1);
}

/* In no list. */
static struct region *make(struct regions *regions, struct wire_string name)
{
	struct region *region = calloc(1, sizeof(*region));

	if (!region)
		return NULL;
	region->fd = -1;
	region->name = strndup(name.bytes, name.len);
	if (!region->name) {
		free(region);
		return NULL;
	}
	if (++regions->last_number == 0)
		regions->last_number++;
	region->number = regions->last_number;
	regions->n++;
	return region;
}

static struct region *region_new(struct regions *regions, struct wire_string name)
{
	struct region *region = make(regions, name);

	if (region)
		TAILQ_INSERT_TAIL(&regions->list, region, entry);
	return region;
}

static int ask(struct regions *regions, struct region *region,
	       const char key[FRONT_REGION_KEY_SIZE])
{
	region->id = ++regions->last_id;
	return supervisor_send_region(regions->supervisor, region->id, key);
}

static int check_part(const struct regions *regions, uint64_t offset, uint64_t bytes,
		      struct tensock_error *reterr)
{
	uint64_t end;

	if (!bytes || !tsk_add(offset, bytes, &end) || end > INT64_MAX)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"offset %" PRIu64 " and byte_size %" PRIu64
				" are no part of a region",
				offset, bytes);
	if (regions->n >= REGIONS_MAX)
		return tsk_fail(reterr, TENSOCK_LIMIT_REACHED,
				"%u shared memory regions are registered or in use, as many as a "
				"guest may have",
				regions->n);
	return 0;
}

static int check(const struct regions *regions, struct wire_string name, uint64_t offset,
		 uint64_t bytes, struct tensock_error *reterr)
{
	if (!name.len || name.len > OIP_REGION_NAME_MAX)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"a shared memory region needs a name of at most %u bytes",
				OIP_REGION_NAME_MAX);
	if (find(regions, name))
		return tsk_fail(reterr, TENSOCK_ALREADY_EXISTS,
				"shared memory region '%.*s' already in manager",
				name.len < NAME_SHOWN ? name.len : NAME_SHOWN, name.bytes);
	return check_part(regions, offset, bytes, reterr);
}

int regions_register(struct regions *regions, struct region_task *task, struct wire_string name,
		     struct wire_string key, uint64_t offset, uint64_t bytes,
		     struct tensock_error *reterr)
{
	char checked[FRONT_REGION_KEY_SIZE];
	struct region *region;
	int r = check(regions, name, offset, bytes, reterr);

	if (r == 0)
		r = read_key(key, checked, reterr);
	if (r < 0)
		return r;
	region = region_new(regions, name);
	if (!region)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the region");
	snprintf(region->said, sizeof(region->said), "%s%s", has_slash(key) ? "/" : "", checked);
	region->offset = offset;
	region->bytes = bytes;
	r = ask(regions, region, checked);
	if (r < 0) {
		drop(regions, region);
		return tsk_fail(reterr, tsk_status_from_errno(-r), "the region is not opened: %s",
				strerror(-r));
	}
	region->task = task;
	task->region = region;
	return 0;
}

void region_task_end(struct regions *regions, struct region_task *task)
{
	if (task->region)
		drop(regions, TAKE_PTR(task->region));
}

/* Why a region could not be had, for who asked. */
static void explain(const struct region *region, int error, struct tensock_error *ret)
{
	if (error == -EACCES || error == -EPERM)
		(void)tsk_fail(ret, TENSOCK_PERMISSION_DENIED,
			       "Unable to open shared memory region: '%s': the operator of this "
			       "host does not let this guest use regions of its owner "
			       "(shared-memory)",
			       region->said);
	else if (error == -EAGAIN)
		(void)tsk_fail(
			ret, TENSOCK_LIMIT_REACHED,
			"Unable to open shared memory region: '%s': this guest has had as many "
			"connections and regions opened in this second as it may "
			"(max-connects); try again",
			region->said);
	else
		(void)tsk_fail(ret, TENSOCK_INVALID_ARGUMENT,
			       "Unable to open shared memory region: '%s': %s", region->said,
			       strerror(-error));
}

/* It is as large as has been said, now. */
static bool reaches(const struct region *region, uint64_t end)
{
	char byte;

	return !end || pread(region->fd, &byte, 1, (off_t)(region->offset + end - 1)) == 1;
}

static int look_at_file(struct region *region, struct tensock_error *reterr)
{
	int seals = fcntl(region->fd, F_GET_SEALS); /* -1: it can have none */
	struct stat st;

	region->is_sealed = seals >= 0 && (seals & F_SEAL_SHRINK);
	if (fstat(region->fd, &st) == 0 && reaches(region, region->bytes)) {
		region->device = st.st_dev;
		region->inode = st.st_ino;
		return 0;
	}
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"failed to register shared memory region '%s': it is shorter than "
			"offset and byte_size say",
			region->name);
}

void regions_opened(struct regions *regions, uint64_t id, int result, int fd)
{
	struct region_task *task;
	struct tensock_error error;
	struct region *region;
	int r = -1;

	TAILQ_FOREACH(region, &regions->list, entry)
	{
		if (region->id == id && id)
			break;
	}
	/* Nobody wants it any more. */
	if (!region) {
		tsk_close(fd);
		return;
	}
	region->id = 0;
	region->fd = fd;
	task = TAKE_PTR(region->task);
	task->region = NULL;
	if (result < 0)
		explain(region, result, &error);
	else
		r = look_at_file(region, &error);
	if (r < 0)
		drop(regions, region);
	task->done(task, r < 0 ? &error : NULL);
}

int regions_register_fd(struct regions *regions, struct wire_string name, uint64_t offset,
			uint64_t bytes, int fd, struct tensock_error *reterr)
{
	_cleanup_close_ int taken = fd;
	struct region *region;
	int r = check(regions, name, offset, bytes, reterr);

	if (r == 0)
		r = region_fd_check(taken, reterr);
	if (r < 0)
		return r;
	region = region_new(regions, name);
	if (!region)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the region");
	region->fd = TAKE_FD(taken);
	snprintf(region->said, sizeof(region->said), "%s", REGION_FD_KEY);
	region->offset = offset;
	region->bytes = bytes;
	r = look_at_file(region, reterr);
	if (r < 0)
		drop(regions, region);
	return r;
}

int regions_share(struct regions *regions, uint64_t bytes, int fd, struct region **ret,
		  struct tensock_error *reterr)
{
	_cleanup_close_ int taken = fd;
	struct region *region;
	int r = check_part(regions, 0, bytes, reterr);

	if (r == 0)
		r = region_fd_check(taken, reterr);
	if (r < 0)
		return r;
	region = make(regions, wire_string("of a connection"));
	if (!region)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the region");
	region->is_nameless = true;
	region->fd = TAKE_FD(taken);
	region->bytes = bytes;
	r = look_at_file(region, reterr);
	if (r < 0)
		free_region(regions, region);
	else
		*ret = region_hold(region);
	return r;
}

struct region *region_hold(struct region *region)
{
	region->n_held++;
	return region;
}

/* Open ones only: the others' tasks come first. */
void regions_unregister(struct regions *regions, struct wire_string name)
{
	struct region *region, *next;

	for (region = TAILQ_FIRST(&regions->list); region; region = next) {
		next = TAILQ_NEXT(region, entry);
		if (!region->id && (!name.len || wire_string_equals(name, region->name)))
			drop(regions, region);
	}
}

bool regions_next(const struct regions *regions, const struct region **at,
		  struct oip_region_view *ret)
{
	const struct region *region = *at ? TAILQ_NEXT(*at, entry) : TAILQ_FIRST(&regions->list);

	while (region && region->id)
		region = TAILQ_NEXT(region, entry);
	if (!region)
		return false;
	*at = region;
	*ret = (struct oip_region_view){ .name = region->name,
					 .key = region->said,
					 .offset = region->offset,
					 .bytes = region->bytes };
	return true;
}

bool regions_have(const struct regions *regions, struct wire_string name)
{
	const struct region *region = find(regions, name);

	return region && !region->id;
}

int regions_hold(struct regions *regions, const struct oip_region *part, struct region **ret,
		 struct tensock_error *reterr)
{
	struct region *region = find(regions, part->name);

	if (!region || region->id)
		return tsk_fail(reterr, TENSOCK_NOT_FOUND,
				"Unable to find shared memory region: '%.*s'",
				part->name.len < NAME_SHOWN ? part->name.len : NAME_SHOWN,
				part->name.bytes);
	if (part->offset > region->bytes || part->bytes > region->bytes - part->offset)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"Invalid offset + byte size for shared memory region: '%s'",
				region->name);
	*ret = region_hold(region);
	return 0;
}

void regions_release(struct regions *regions, struct region *region)
{
	if (!region || --region->n_held > 0)
		return;
	if (region->is_nameless)
		tell_gone(regions, region);
	if (region->is_gone)
		free_region(regions, region);
}

int region_read(const struct region *region, const struct oip_region *part, void *to,
		struct tensock_error *reterr)
{
	uint64_t done = 0;

	while (done < part->bytes) {
		ssize_t n = pread(region->fd, (char *)to + done, part->bytes - done,
				  (off_t)(region->offset + part->offset + done));

		if (n <= 0)
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"shared memory region '%s' cannot be read: %s",
					region->name, n == 0 ? "it has been cut" : strerror(errno));
		done += (uint64_t)n;
	}
	return 0;
}

int region_write(const struct region *region, const struct oip_region *part, const void *from,
		 uint64_t n, struct tensock_error *reterr)
{
	uint64_t done = 0;

	if (n > part->bytes)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"shared memory size specified with the request (%" PRIu64
				" bytes) should be at least %" PRIu64 " bytes to hold the results",
				part->bytes, n);
	while (done < n) {
		ssize_t put = pwrite(region->fd, (const char *)from + done, n - done,
				     (off_t)(region->offset + part->offset + done));

		if (put <= 0)
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"shared memory region '%s' cannot be written: %s",
					region->name, strerror(errno));
		done += (uint64_t)put;
	}
	return 0;
}

bool region_has(const struct region *region, const struct oip_region *part)
{
	return region->is_sealed || reaches(region, part->offset + part->bytes);
}

uint32_t region_number(const struct region *region)
{
	return region->number;
}

bool region_is_gone(const struct region *region)
{
	return region->is_gone;
}

uint64_t region_memory(const struct region *region, int *ret_fd)
{
	*ret_fd = region->fd;
	return region->offset + region->bytes;
}

uint64_t region_offset(const struct region *region, const struct oip_region *part)
{
	return region->offset + part->offset;
}

bool region_is_same(const struct region *a, const struct region *b)
{
	return a->device == b->device && a->inode == b->inode;
}
