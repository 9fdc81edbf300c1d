/* SPDX-License-Identifier: Apache-2.0 */
/* Names of numbers. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include <tensock/tensock.h>

#include "base/status.h"
#include "client/client.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

static const char *const hints[] = {
	[TENSOCK_OK] = "There is nothing to do.",
	[TENSOCK_INVALID_ARGUMENT] =
		"Correct what the message names; `tensock show` prints what a model takes.",
	[TENSOCK_INVALID_MODEL] =
		"Check that the file is a whole model, and that it is the one that was meant.",
	[TENSOCK_UNSUPPORTED] =
		"Use what this host does, or ask its operator for a newer tensockd or engine.",
	[TENSOCK_NOT_FOUND] =
		"Check the name or path, or push the model again: `tensock ls` lists those there.",
	[TENSOCK_TOO_LARGE] =
		"Send less at once, give outputs more room, or ask the host's operator for a higher limit.",
	[TENSOCK_PERMISSION_DENIED] =
		"Look at the permissions of the file, or of the local socket and its group; or ask the operator.",
	[TENSOCK_PROTOCOL] =
		"Check that the address is a tensockd's and that it is no older than this library.",
	[TENSOCK_LIMIT_REACHED] =
		"Try again when something of this guest's has ended: requests, models, connections.",
	[TENSOCK_OUT_OF_MEMORY] =
		"Try again later, or unload models that are not used: `tensock rm`.",
	[TENSOCK_UNAVAILABLE] =
		"Try again later; if it stays so, `tensock doctor` looks for tensockd and its engine.",
	[TENSOCK_DEADLINE_EXCEEDED] = "Try again, or allow more time.",
	[TENSOCK_CANCELLED] = "There is nothing to do: it was asked to end.",
	[TENSOCK_WORKER_DIED] =
		"Try again once; if that ends so, too, the model crashes its engine: tell the operator.",
	[TENSOCK_ENGINE_FAILED] =
		"Read the message: it is the engine's. The inputs' values or the model are at fault.",
	[TENSOCK_INTERNAL] =
		"Report it to the host's operator, with the message and the host's log.",
	[TENSOCK_ALREADY_EXISTS] = "Use another name, or remove what has this one.",
};
static_assert(ARRAY_SIZE(hints) == TENSOCK_STATUS_MAX, "a status lacks its hint");

static uint32_t known_status(int status)
{
	return status >= 0 && status < TENSOCK_STATUS_MAX ? (uint32_t)status : TENSOCK_INTERNAL;
}

const char *tensock_version(void)
{
	return TENSOCK_VERSION;
}

const char *tensock_status_name(int status)
{
	return tsk_status(known_status(status))->name;
}

const char *tensock_status_text(int status)
{
	return tsk_status(known_status(status))->text;
}

const char *tensock_status_hint(int status)
{
	return hints[known_status(status)];
}

const char *tensock_dtype_name(uint32_t dtype)
{
	return tsk_dtype_name(dtype);
}

uint32_t tensock_dtype_from_name(const char *name)
{
	for (uint32_t dtype = 1; name && dtype < TENSOCK_DTYPE_MAX; dtype++) {
		if (strcmp(tsk_dtype_name(dtype), name) == 0)
			return dtype;
	}
	return TENSOCK_DTYPE_INVALID;
}

int tensock_tensor_bytes(uint32_t dtype, const int64_t *dims, uint32_t rank, uint64_t *ret_bytes)
{
	return tsk_shape_bytes(dtype, dims, rank, ret_bytes) == 0 ? TENSOCK_OK
								  : TENSOCK_INVALID_ARGUMENT;
}
