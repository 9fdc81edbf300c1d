/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cmdline.h"

#include <stdio.h>
#include <string.h>

bool tsk_words_say_guest(const char *words)
{
	static const char word[] = "vsguest=1";

	while (*words) {
		size_t n = strcspn(words, " \t\n");

		if (n == sizeof(word) - 1 && memcmp(words, word, n) == 0)
			return true;
		words += n;
		words += strspn(words, " \t\n");
	}
	return false;
}

bool tsk_is_said_guest(void)
{
	char line[8192] = "";
	FILE *file = fopen("/proc/cmdline", "re");

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	return tsk_words_say_guest(line);
}
