/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/session.h"

#include <errno.h>

#include "base/status.h"

static bool hello_is_valid(const struct wire_hello *hello)
{
	return hello->version_min && hello->version_min <= hello->version_max;
}

void wire_hello_write(struct tsk_writer *w, const struct wire_hello *hello)
{
	if (!hello_is_valid(hello))
		w->bad = true;
	tsk_write_u32(w, hello->version_min);
	tsk_write_u32(w, hello->version_max);
	tsk_write_u64(w, hello->features);
	wire_string_write(w, hello->program, WIRE_LABEL_MAX);
}

int wire_hello_read(const void *body, size_t size, struct wire_hello *ret)
{
	struct tsk_reader r = tsk_reader(body, size);
	struct wire_hello hello;

	hello.version_min = tsk_read_u32(&r);
	hello.version_max = tsk_read_u32(&r);
	hello.features = tsk_read_u64(&r);
	hello.program = wire_string_read(&r, WIRE_LABEL_MAX);
	if (r.bad || !hello_is_valid(&hello))
		return -EPROTO;
	*ret = hello;
	return 0;
}

static bool welcome_is_valid(const struct wire_welcome *welcome)
{
	return welcome->version && welcome->requests_max;
}

void wire_welcome_write(struct tsk_writer *w, const struct wire_welcome *welcome)
{
	if (!welcome_is_valid(welcome))
		w->bad = true;
	tsk_write_u32(w, welcome->version);
	tsk_write_u32(w, welcome->requests_max);
	tsk_write_u64(w, welcome->features);
	tsk_write_u64(w, welcome->model_bytes_max);
	tsk_write_u64(w, welcome->request_bytes_max);
	wire_string_write(w, welcome->program, WIRE_LABEL_MAX);
	wire_string_write(w, welcome->guest, WIRE_LABEL_MAX);
}

int wire_welcome_read(const void *body, size_t size, struct wire_welcome *ret)
{
	struct tsk_reader r = tsk_reader(body, size);
	struct wire_welcome welcome;

	welcome.version = tsk_read_u32(&r);
	welcome.requests_max = tsk_read_u32(&r);
	welcome.features = tsk_read_u64(&r);
	welcome.model_bytes_max = tsk_read_u64(&r);
	welcome.request_bytes_max = tsk_read_u64(&r);
	welcome.program = wire_string_read(&r, WIRE_LABEL_MAX);
	welcome.guest = wire_string_read(&r, WIRE_LABEL_MAX);
	if (r.bad || !welcome_is_valid(&welcome))
		return -EPROTO;
	*ret = welcome;
	return 0;
}

void wire_memory_write(struct tsk_writer *w, uint64_t bytes)
{
	if (!bytes)
		w->bad = true;
	tsk_write_u64(w, bytes);
}

int wire_memory_read(const void *body, size_t size, uint64_t *ret_bytes)
{
	struct tsk_reader r = tsk_reader(body, size);
	uint64_t bytes = tsk_read_u64(&r);

	if (!tsk_reader_end(&r) || !bytes)
		return -EPROTO;
	*ret_bytes = bytes;
	return 0;
}

void wire_error_write(struct tsk_writer *w, const struct tensock_error *error)
{
	size_t len = strnlen(error->message, sizeof(error->message));
	struct wire_string message = { .bytes = error->message, .len = (uint16_t)len };

	if (error->status == TENSOCK_OK)
		w->bad = true;
	tsk_write_u32(w, error->status);
	wire_string_write(w, message, WIRE_ERROR_TEXT_MAX);
}

int wire_error_read(const void *body, size_t size, struct tensock_error *ret)
{
	struct tsk_reader r = tsk_reader(body, size);
	struct wire_string message;
	uint32_t status;

	status = tsk_read_u32(&r);
	message = wire_string_read(&r, WIRE_ERROR_TEXT_MAX);
	if (!tsk_reader_end(&r) || status == TENSOCK_OK)
		return -EPROTO;
	if (status >= TENSOCK_STATUS_MAX)
		status = TENSOCK_INTERNAL;
	(void)tsk_fail(ret, (enum tensock_status)status, "%.*s", (int)message.len, message.bytes);
	return 0;
}

static bool counter_is_valid(const struct wire_counter *counter)
{
	return counter->name.len > 0;
}

void wire_counters_write(struct tsk_writer *w, const struct wire_counter *counters, unsigned n)
{
	if (n > WIRE_COUNTERS_MAX)
		w->bad = true;
	tsk_write_u32(w, n);
	for (unsigned i = 0; i < n && !w->bad; i++) {
		if (!counter_is_valid(&counters[i]))
			w->bad = true;
		wire_string_write(w, counters[i].name, WIRE_LABEL_MAX);
		tsk_write_u64(w, counters[i].value);
	}
}

int wire_counters_read(const void *body, size_t size, struct wire_counter ret[WIRE_COUNTERS_MAX],
		       unsigned *ret_n)
{
	struct tsk_reader r = tsk_reader(body, size);
	struct wire_counter counters[WIRE_COUNTERS_MAX];
	uint32_t n = tsk_read_u32(&r);

	if (n > WIRE_COUNTERS_MAX)
		return -EPROTO;
	for (uint32_t i = 0; i < n; i++) {
		counters[i].name = wire_string_read(&r, WIRE_LABEL_MAX);
		counters[i].value = tsk_read_u64(&r);
		if (r.bad || !counter_is_valid(&counters[i]))
			return -EPROTO;
	}
	if (!tsk_reader_end(&r))
		return -EPROTO;
	memcpy(ret, counters, n * sizeof(*ret));
	*ret_n = n;
	return 0;
}
