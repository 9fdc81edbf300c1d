/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over its corpus: main() where libFuzzer is not linked.  Each argument is a file
 * or a folder of files.  Fails when there is no file at all, for then it would have tested nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long replayed;

static int replay_file(const char *path)
{
	struct stat st;
	uint8_t *data;
	FILE *f = fopen(path, "rb");

	if (!f || fstat(fileno(f), &st) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	/* Exactly sized, so that a sanitizer sees the first byte read too far. */
	data = malloc(st.st_size ? (size_t)st.st_size : 1);
	if (!data || fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
		fprintf(stderr, "%s: cannot be read\n", path);
		return 1;
	}
	fclose(f);
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	free(data);
	replayed++;
	return 0;
}

static int replay_folder(const char *path)
{
	struct dirent *entry;
	int failed = 0;
	DIR *dir = opendir(path);

	if (!dir)
		return replay_file(path);
	while (!failed && (entry = readdir(dir))) {
		char name[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		failed = replay_file(name);
	}
	closedir(dir);
	return failed;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (replay_folder(argv[i]))
			return 1;
	}
	printf("%lu inputs replayed\n", replayed);
	return replayed ? 0 : 1;
}
