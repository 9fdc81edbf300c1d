/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cmdline.h"
#include "base/status.h"

static bool is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

bool host_local_socket(char *ret, size_t size)
{
	const char *folder = getenv("XDG_RUNTIME_DIR");

	if (folder && *folder) {
		int n = snprintf(ret, size, "%s/tensock/tensock.sock", folder);

		if (n > 0 && (size_t)n < size && is_socket(ret))
			return true;
	}
	snprintf(ret, size, "%s", HOST_LOCAL_SOCKET);
	return is_socket(ret);
}

int host_address(const char *given, bool is_surely_guest, char ret[static HOST_ADDRESS_BYTES],
		 struct tensock_error *reterr)
{
	char path[HOST_ADDRESS_BYTES - sizeof("unix:")];

	if (!given || !*given)
		given = getenv("TENSOCK_HOST");
	if (given && *given) {
		if (strlen(given) >= HOST_ADDRESS_BYTES)
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"the address of the host is too long");
		snprintf(ret, HOST_ADDRESS_BYTES, "%s", given);
		return 0;
	}
	if (host_local_socket(path, sizeof(path))) {
		snprintf(ret, HOST_ADDRESS_BYTES, "unix:%s", path);
		return 0;
	}
	if (is_surely_guest || tsk_is_said_guest()) {
		snprintf(ret, HOST_ADDRESS_BYTES, "%s", HOST_OF_GUEST);
		return 0;
	}
	if (access("/dev/vsock", F_OK) == 0)
		return tsk_fail(
			reterr, TENSOCK_UNAVAILABLE,
			"no tensockd runs here, and nothing says that this machine is a guest of yours: "
			"give --host " HOST_OF_GUEST " (or TENSOCK_HOST) if it is one");
	return tsk_fail(reterr, TENSOCK_UNAVAILABLE,
			"no tensockd runs here (there is no socket %s), and this machine has no "
			"/dev/vsock to reach another",
			path);
}
