/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC's server reflection, v1 and v1alpha: they differ by name only. */
#include "front/protocol/oip_pb.h"

#include <stdio.h>
#include <string.h>

#include "front/protocol/oip_pb_descriptors.h"
#include "front/protocol/oip_pb_read.h"
#include "front/protocol/oip_pb_write.h"

/* ServerReflectionRequest; all but the host are one choice. */
enum request_field {
	REQUEST_HOST = 1,
	FILE_BY_FILENAME = 3,
	FILE_CONTAINING_SYMBOL = 4,
	FILE_CONTAINING_EXTENSION = 5,
	ALL_EXTENSION_NUMBERS_OF_TYPE = 6,
	LIST_SERVICES = 7,
};

/* ServerReflectionResponse. */
enum response_field {
	RESPONSE_HOST = 1,
	ORIGINAL_REQUEST = 2,
	FILE_DESCRIPTOR_RESPONSE = 4,
	LIST_SERVICES_RESPONSE = 6,
	ERROR_RESPONSE = 7,
};

/* descriptor.proto */
enum descriptor_field {
	SET_FILE = 1,
	ANY_NAME = 1, /* of a file, a message, an enum, a service, a method, a field */
	FILE_PACKAGE = 2,
	FILE_MESSAGE = 4,
	FILE_ENUM = 5,
	FILE_SERVICE = 6,
	MESSAGE_FIELD = 2,
	MESSAGE_NESTED = 3,
	MESSAGE_ENUM = 4,
	SERVICE_METHOD = 2,
};

/*
 * ---- The descriptors: our own bytes
 */

static struct wire_string string_of(struct tsk_reader descriptor, uint32_t number)
{
	struct proto_field field;

	while (proto_next(&descriptor, &field)) {
		if (field.number == number)
			return (struct wire_string){ .bytes = (const char *)field.bytes,
						     .len = (uint16_t)field.n_bytes };
	}
	return (struct wire_string){ .len = 0 };
}

/* True where name stands before a dot, or is all; *symbol is what follows then. */
static bool take_name(struct wire_string *symbol, struct wire_string name)
{
	uint16_t n = name.len;

	if (symbol->len < n || memcmp(symbol->bytes, name.bytes, n) != 0)
		return false;
	if (symbol->len > n && symbol->bytes[n++] != '.')
		return false;
	symbol->bytes += n;
	symbol->len = (uint16_t)(symbol->len - n);
	return true;
}

/* What names stand in. */
enum scope {
	SCOPE_NONE,
	SCOPE_FILE,
	SCOPE_MESSAGE,
	SCOPE_SERVICE,
	SCOPE_LEAF,
};

static enum scope scope_within(enum scope scope, uint32_t number)
{
	switch (scope) {
	case SCOPE_FILE:
		return number == FILE_MESSAGE   ? SCOPE_MESSAGE
		       : number == FILE_SERVICE ? SCOPE_SERVICE
		       : number == FILE_ENUM    ? SCOPE_LEAF
						: SCOPE_NONE;
	case SCOPE_MESSAGE:
		return number == MESSAGE_NESTED                            ? SCOPE_MESSAGE
		       : number == MESSAGE_FIELD || number == MESSAGE_ENUM ? SCOPE_LEAF
									   : SCOPE_NONE;
	case SCOPE_SERVICE:
		return number == SERVICE_METHOD ? SCOPE_LEAF : SCOPE_NONE;
	default:
		return SCOPE_NONE;
	}
}

/* Whether symbol, not empty, is in there: as deep as the descriptors are. */
static bool has_symbol(struct tsk_reader descriptor, enum scope scope, struct wire_string symbol)
{
	struct proto_field field;

	while (proto_next(&descriptor, &field)) {
		enum scope inner = scope_within(scope, field.number);
		struct wire_string rest = symbol;
		struct tsk_reader within;

		if (inner == SCOPE_NONE)
			continue;
		within = proto_message(&descriptor, &field);
		if (take_name(&rest, string_of(within, ANY_NAME)) &&
		    (!rest.len || has_symbol(within, inner, rest)))
			return true;
	}
	return false;
}

static bool is_file_of_symbol(struct tsk_reader file, struct wire_string symbol)
{
	return take_name(&symbol, string_of(file, FILE_PACKAGE)) && symbol.len &&
	       has_symbol(file, SCOPE_FILE, symbol);
}

static bool is_file_of_name(struct tsk_reader file, struct wire_string name)
{
	struct wire_string its = string_of(file, ANY_NAME);

	return its.len == name.len && memcmp(its.bytes, name.bytes, name.len) == 0;
}

/*
 * ---- Answers
 */

static void write_error(struct pb_writer *w, enum tensock_status status, const char *message)
{
	size_t at = pb_message_begin(w, ERROR_RESPONSE);

	pb_number(w, 1, tsk_status(status)->grpc);
	pb_text(w, 2, message);
	pb_message_end(w, at);
}

/* No file of ours imports another one: the answer is one file. */
static void write_file(struct pb_writer *w, struct wire_string wanted,
		       bool (*is_wanted)(struct tsk_reader file, struct wire_string wanted))
{
	struct tsk_reader set = tsk_reader(oip_pb_descriptors, oip_pb_descriptors_bytes);
	struct proto_field field;

	while (proto_next(&set, &field)) {
		size_t at;

		if (!is_wanted(proto_message(&set, &field), wanted))
			continue;
		at = pb_message_begin(w, FILE_DESCRIPTOR_RESPONSE);
		pb_list_bytes(w, 1, field.bytes, field.n_bytes);
		pb_message_end(w, at);
		return;
	}
	write_error(w, TENSOCK_NOT_FOUND, "there is no such file or symbol");
}

/* ServiceResponse. */
static void write_service(struct pb_writer *w, struct wire_string package, struct wire_string name)
{
	char full[512];
	size_t at = pb_message_begin(w, 1);

	snprintf(full, sizeof(full), "%.*s.%.*s", package.len, package.bytes, name.len, name.bytes);
	pb_text(w, 1, full);
	pb_message_end(w, at);
}

static void write_services(struct pb_writer *w)
{
	struct tsk_reader set = tsk_reader(oip_pb_descriptors, oip_pb_descriptors_bytes);
	size_t at = pb_message_begin(w, LIST_SERVICES_RESPONSE);
	struct proto_field field;

	while (proto_next(&set, &field)) {
		struct tsk_reader file = proto_message(&set, &field);
		struct wire_string package = string_of(file, FILE_PACKAGE);

		while (proto_next(&file, &field)) {
			if (field.number == FILE_SERVICE)
				write_service(w, package,
					      string_of(proto_message(&file, &field), ANY_NAME));
		}
	}
	pb_message_end(w, at);
}

static void write_answer(struct pb_writer *w, uint32_t choice, struct wire_string what)
{
	switch (choice) {
	case FILE_BY_FILENAME:
		write_file(w, what, is_file_of_name);
		break;
	case FILE_CONTAINING_SYMBOL:
		write_file(w, what, is_file_of_symbol);
		break;
	case LIST_SERVICES:
		write_services(w);
		break;
	case FILE_CONTAINING_EXTENSION:
	case ALL_EXTENSION_NUMBERS_OF_TYPE:
		write_error(w, TENSOCK_NOT_FOUND, "there are no extensions");
		break;
	default:
		write_error(w, TENSOCK_UNSUPPORTED, "nothing that this host knows is asked for");
	}
}

/* What is asked for: the last one of the choice, and its string. */
static int read_request(struct tsk_reader message, uint32_t *ret_choice,
			struct wire_string *ret_what, struct wire_string *ret_host,
			struct tensock_error *reterr)
{
	struct proto_field field;
	int err = 0;

	while (err == 0 && proto_next(&message, &field)) {
		if (field.number == REQUEST_HOST) {
			err = oip_pb_string(&message, &field, UINT16_MAX, "host", ret_host, reterr);
			continue;
		}
		if (field.number < FILE_BY_FILENAME || field.number > LIST_SERVICES)
			continue;
		*ret_choice = field.number;
		if (field.number == FILE_CONTAINING_EXTENSION)
			(void)proto_is(&message, &field, PROTO_BYTES);
		else
			err = oip_pb_string(&message, &field, UINT16_MAX, "symbol", ret_what,
					    reterr);
	}
	if (err == 0 && message.bad)
		err = oip_pb_malformed("ServerReflectionRequest", reterr);
	return err;
}

int oip_pb_reflection(const unsigned char *bytes, size_t n, struct oip_pb *ret,
		      struct tensock_error *reterr)
{
	struct wire_string what = { .len = 0 }, host = { .len = 0 };
	uint32_t choice = 0;
	struct pb_writer w;
	int err = read_request(tsk_reader(bytes, n), &choice, &what, &host, reterr);

	if (err < 0)
		return err;
	pb_writer_init(&w);
	pb_string(&w, RESPONSE_HOST, host);
	pb_list_bytes(&w, ORIGINAL_REQUEST, bytes, n);
	write_answer(&w, choice, what);
	if (pb_writer_end(&w, ret) < 0)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the answer");
	return 0;
}
