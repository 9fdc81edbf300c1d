/* SPDX-License-Identifier: Apache-2.0 */
/* That docs/protocol.md says what the code does, as far as it can be read by a program. */
#include <string.h>

#include "base/status.h"
#include "tensor/dtype.h"
#include "wire/again.h"
#include "wire/testing.h"

static char *document;

static int read_document(void **state)
{
	FILE *file = fopen(TSK_WIRE_DOCUMENT, "re");
	size_t room = (size_t)1 << 20, n;

	(void)state;
	document = calloc(1, room);
	if (!file || !document)
		return -1;
	n = fread(document, 1, room - 1, file);
	fclose(file);
	return n > 0 && n < room - 1 ? 0 : -1;
}

static int free_document(void **state)
{
	(void)state;
	free(document);
	return 0;
}

/* The row of a table that begins so. */
static const char *row(const char *beginning)
{
	const char *p = document;

	while ((p = strstr(p, beginning))) {
		if (p == document || p[-1] == '\n')
			return p;
		p++;
	}
	fail_msg("no row \"%s\"", beginning);
	return NULL;
}

/* The quotation that began before text: its bytes are those of the vector.  Returns what follows. */
static const char *check_quotation(const char *name, const char *text)
{
	struct wire_vector quoted = { .n = 0 }, vector = wire_vector(name);

	snprintf(quoted.name, sizeof(quoted.name), "%s", name);
	while (strncmp(text, "    ", 4) == 0) {
		char line[512];
		size_t n = strcspn(text, "\n");

		assert_true(n < sizeof(line));
		memcpy(line, text, n);
		line[n] = '\0';
		wire_vector_append(&quoted, line);
		text += n + (text[n] == '\n');
	}
	if (quoted.n != vector.n || memcmp(quoted.bytes, vector.bytes, quoted.n) != 0)
		fail_msg("[%s] is quoted otherwise than it is", name);
	return text;
}

static void test_examples(void **state)
{
	const char *p = document;
	unsigned n = 0;

	(void)state;
	while ((p = strstr(p, "\n    ["))) {
		char name[64];

		assert_int_equal(sscanf(p, "\n    [%63[^]]]\n", name), 1);
		p = strchr(p + 1, '\n');
		assert_non_null(p);
		p = check_quotation(name, p + 1) - 1;
		n++;
	}
	assert_true(n >= 12);
}

static void test_messages(void **state)
{
	(void)state;
	for (uint32_t type = 0; type < 100; type++) {
		char beginning[64], max[32];
		uint64_t size = WIRE_BODY_MAX;
		const char *found;

		if (!wire_type_name(type))
			continue;
		while (size && !wire_is_announced(type, size))
			size--;
		snprintf(beginning, sizeof(beginning), "| %u | %s |", type, wire_type_name(type));
		if (size < 1000)
			snprintf(max, sizeof(max), "| %u |", (unsigned)size);
		else
			snprintf(max, sizeof(max), "| %u,%03u |", (unsigned)size / 1000,
				 (unsigned)size % 1000);
		found = strstr(row(beginning), max);
		if (!found || found > strchr(row(beginning), '\n'))
			fail_msg("%s has at most %s", beginning, max);
	}
}

static void test_statuses(void **state)
{
	(void)state;
	for (uint32_t status = 0; status < TENSOCK_STATUS_MAX; status++) {
		const struct tsk_status_row *it = tsk_status(status);
		char beginning[128];

		snprintf(beginning, sizeof(beginning), "| %u | %s | %u | %u |", status, it->name,
			 it->http, it->grpc);
		(void)row(beginning);
	}
}

/* Three columns a row: "| 5 | UINT64 | 64 |", with words behind some names. */
static void test_element_types(void **state)
{
	(void)state;
	for (uint32_t dtype = 1; dtype < TENSOCK_DTYPE_MAX; dtype++) {
		char name[64], bits[16];
		const char *p;

		snprintf(name, sizeof(name), "| %u | %s", dtype, tsk_dtype_name(dtype));
		snprintf(bits, sizeof(bits), "| %u |", tsk_dtype_bits(dtype));
		p = strstr(document, name);
		if (!p || !strchr(" ", p[strlen(name)]))
			fail_msg("no \"%s\"", name);
		p = strchr(p + strlen(name), '|');
		assert_non_null(p);
		if (tsk_dtype_bits(dtype) && strncmp(p, bits, strlen(bits)) != 0)
			fail_msg("%s has %u bits", name, tsk_dtype_bits(dtype));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_examples),
		TSK_TEST(test_messages),
		TSK_TEST(test_statuses),
		TSK_TEST(test_element_types),
	};

	return cmocka_run_group_tests_name("wire_document", tests, read_document, free_document);
}
