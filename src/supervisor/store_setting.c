/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/store_setting.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "supervisor/quantity.h"
#include "supervisor/setting.h"

#define GIB (UINT64_C(1) << 30)
#define BYTES_DEFAULT (10 * GIB)
#define BYTES_MAX (UINT64_C(1024) * 1024 * GIB)

static int set_bytes(const char *value, uint64_t *ret, struct tensock_error *reterr)
{
	int r;

	if (*ret)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "store-size is given twice");
	r = quantity_bytes(value, 1, BYTES_MAX, ret);
	if (r < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"store-size cannot be '%.80s'%s; write for example 10GiB", value,
				r == -ERANGE ? ", which is out of bounds" : "");
	return 1;
}

int store_setting_set(struct store_setting *setting, const char *key, const char *value,
		      struct tensock_error *reterr)
{
	int r;

	if (strcmp(key, "store-size") == 0)
		return set_bytes(value, &setting->bytes, reterr);
	if (strcmp(key, "store") != 0)
		return 0;
	if (value[0] && value[0] != '/')
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"store: '%.80s' is not absolute; begin with '/'", value);
	r = setting_text(key, value, setting->path, sizeof(setting->path), reterr);
	if (r < 0)
		return r;
	/* With one at its end a symbolic link is followed, whatever is said when it is opened. */
	for (size_t len = strlen(setting->path); len > 1 && setting->path[len - 1] == '/'; len--)
		setting->path[len - 1] = '\0';
	return 1;
}

int store_of_guest_set(struct store_of_guest *setting, const char *key, const char *value,
		       struct tensock_error *reterr)
{
	int r;

	if (strcmp(key, "store-size") == 0)
		return set_bytes(value, &setting->bytes, reterr);
	if (strcmp(key, "store") != 0)
		return 0;
	r = setting_bool(key, value, &setting->is_on, reterr);
	return r < 0 ? r : 1;
}

int store_setting_finish(struct store_setting *setting, struct tensock_error *reterr)
{
	if (setting->bytes && !setting->path[0])
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"[daemon] has a store-size, but no store");
	if (!setting->bytes)
		setting->bytes = BYTES_DEFAULT;
	return 0;
}

bool store_setting_allows(const struct store_setting *setting, const char *name,
			  const struct store_of_guest *given)
{
	if (!setting->path[0])
		return false;
	if (given)
		return given->is_on != 0;
	return strncmp(name, "cid-", 4) != 0 && strcmp(name, "tcp") != 0;
}

int store_setting_open(const struct store_setting *setting, int *ret_fd,
		       struct tensock_error *reterr)
{
	const char *path = setting->path;
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return tsk_fail(reterr, TENSOCK_PERMISSION_DENIED,
				"the store %.120s cannot be made: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return tsk_fail(reterr, TENSOCK_PERMISSION_DENIED,
				"the store %.120s cannot be opened: %s", path,
				errno == ELOOP || errno == ENOTDIR
					? "it is no folder, or a symbolic link"
					: strerror(errno));
	if (fstat(fd, &st) < 0)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "the store %.120s: %s", path,
				strerror(errno));
	if (st.st_uid != geteuid() || st.st_mode & 022)
		return tsk_fail(
			reterr, TENSOCK_PERMISSION_DENIED,
			"the store %.120s must be a folder of this user that nobody else may write to",
			path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}
