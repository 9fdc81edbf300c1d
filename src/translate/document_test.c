/* SPDX-License-Identifier: Apache-2.0 */
/* docs/mindspore.md lists the operators: all of the tables' must be there, where they belong. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/testing.h"
#include "translate/mindir/mindir_op.h"
#include "translate/ms/ms_op.h"

static char text[1 << 17];

static int read_document(void **state)
{
	FILE *file = fopen(TRANSLATE_DOCUMENT, "r");
	size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	(void)state;
	if (file)
		fclose(file);
	text[n] = '\0';
	return n > 0 && n < sizeof(text) - 1 ? 0 : -1;
}

static bool is_word(int c)
{
	return isalnum(c) || c == '_';
}

/* As a whole word, from a place on. */
static bool has(const char *from, const char *end, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = from; (p = strstr(p, name)) && p < end; p++) {
		if (!is_word(p[-1]) && !is_word(p[n]))
			return true;
	}
	return false;
}

static const char *heading(const char *line)
{
	const char *found = strstr(text, line);

	if (!found)
		fail_msg("no heading %s", line);
	return found;
}

static bool refuses(const struct ms_op_row *row)
{
	return row->translate == ms_refuse_training || row->translate == ms_refuse_control_flow ||
	       row->translate == ms_refuse_custom;
}

static void check_ms(const struct ms_op_table *table, const char *from, const char *to)
{
	const char *refused = heading("### `.ms`, known so");

	for (size_t i = 0; i < table->n; i++) {
		const struct ms_op_row *row = &table->rows[i];

		bool is_covered = row->translate && !refuses(row);

		if (is_covered && !has(from, to, row->name))
			fail_msg("%s is not listed", row->name);
		if (refuses(row) && !has(refused, text + strlen(text), row->name))
			fail_msg("%s is not listed as refused", row->name);
		if (!is_covered && row->name && has(from, to, row->name))
			fail_msg("%s is listed, and not covered", row->name);
	}
}

static void test_ms(void **state)
{
	const char *new = heading("### `.ms`, MSL2"), *old = heading("### `.ms`, MSL1");

	(void)state;
	check_ms(&ms_op_table, new, old);
	check_ms(&ms_op_table_old, old, heading("### `.ms`, known so"));
}

static void test_mindir(void **state)
{
	const char *from = heading("### `.mindir`"), *to = heading("### `.ms`, MSL2");
	size_t n_tables;
	const struct mindir_table *const *tables = mindir_tables(&n_tables);

	(void)state;
	for (size_t t = 0; t < n_tables; t++) {
		for (size_t i = 0; i < tables[t]->n; i++) {
			if (!has(from, to, tables[t]->rows[i].name))
				fail_msg("%s is not listed", tables[t]->rows[i].name);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_ms), TSK_TEST(test_mindir) };

	return cmocka_run_group_tests(tests, read_document, NULL);
}
