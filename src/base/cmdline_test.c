/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cmdline.h"

#include "base/testing.h"

static void test_words(void **state)
{
	(void)state;
	assert_true(tsk_words_say_guest("vsguest=1"));
	assert_true(tsk_words_say_guest("console=ttyS0 vsguest=1\n"));
	assert_true(tsk_words_say_guest("vsguest=1 quiet"));
	assert_false(tsk_words_say_guest(""));
	assert_false(tsk_words_say_guest("vsguest=10 vsguest=0 xvsguest=1 vsguest"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
