/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/findings.h"

#include <stdlib.h>

#include "base/testing.h"

static void test_print(void **state)
{
	struct findings findings = { 0 };
	char *text;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	(void)state;
	findings_add(&findings, FINDING_OK, NULL, "host %s", "x\x1b[1m");
	assert_false(findings_have(&findings, FINDING_FAIL));
	findings_add(&findings, FINDING_FAIL, "modprobe y", "no y");
	assert_true(findings_have(&findings, FINDING_FAIL));
	findings_print(out, &findings);
	findings_json(out, &findings);
	fclose(out);
	assert_string_equal(
		text, "ok    host x?[1m\n"
		      "fail  no y\n      → modprobe y\n"
		      "{\"findings\":[{\"level\":\"ok\",\"text\":\"host x\\u001b[1m\",\"mend\":"
		      "null},{\"level\":\"fail\",\"text\":\"no y\",\"mend\":\"modprobe y\"}]}\n");
	free(text);
}

static void test_many(void **state)
{
	struct findings findings = { 0 };

	(void)state;
	for (unsigned i = 0; i < 2 * FINDINGS_MAX; i++)
		findings_add(&findings, FINDING_WARN, NULL, "%u", i);
	assert_int_equal(findings.n, FINDINGS_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_print),
		TSK_TEST(test_many),
	};

	return cmocka_run_group_tests_name("findings", tests, NULL, NULL);
}
