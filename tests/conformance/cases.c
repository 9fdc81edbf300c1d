/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance/cases.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conformance/onnx_tensor.h"

#define DEPTH_MAX 2 /* the models lie so many folders deep */

static void add_path(struct cases *cases, const char *path)
{
	cases->paths = realloc(cases->paths, (cases->n + 1) * sizeof(*cases->paths));
	if (!cases->paths)
		abort();
	cases->paths[cases->n] = strdup(path);
	if (!cases->paths[cases->n++])
		abort();
}

static void find(struct cases *cases, const char *folder, unsigned depth)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[4096];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (strcmp(entries[i]->d_name, "model.onnx") == 0)
			add_path(cases, folder);
		else if (entries[i]->d_name[0] != '.' && depth && stat(path, &st) == 0 &&
			 S_ISDIR(st.st_mode))
			find(cases, path, depth - 1);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

void cases_find(struct cases *cases, const char *folder)
{
	find(cases, folder, DEPTH_MAX);
}

void cases_done(struct cases *cases)
{
	for (size_t i = 0; i < cases->n; i++)
		free(cases->paths[i]);
	free(cases->paths);
}

const char *case_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

static void *read_file(const char *folder, const char *name, size_t *ret_bytes)
{
	char path[4096];
	struct stat st;
	void *bytes;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	if (!f)
		return NULL;
	if (fstat(fileno(f), &st) < 0)
		abort();
	*ret_bytes = (size_t)st.st_size;
	bytes = malloc(*ret_bytes + 1);
	if (!bytes || fread(bytes, 1, *ret_bytes, f) != *ret_bytes)
		abort();
	fclose(f);
	return bytes;
}

void *case_read_model(const char *path, size_t *ret_bytes)
{
	void *bytes = read_file(path, "model.onnx", ret_bytes);

	if (!bytes)
		abort();
	return bytes;
}

static bool read_tensor(const char *folder, const char *prefix, unsigned i,
			struct driver_tensor *ret, bool *ret_broken)
{
	size_t n = 0;
	char name[64];
	void *bytes;

	snprintf(name, sizeof(name), "%s_%u.pb", prefix, i);
	bytes = read_file(folder, name, &n);
	if (!bytes)
		return false;
	*ret_broken = !onnx_tensor_read(bytes, n, ret);
	free(bytes);
	return !*ret_broken;
}

/* input_0.pb ...; false when one of them is not a tensor. */
static bool read_tensors(const char *folder, const char *prefix, struct driver_tensor *ret,
			 unsigned *ret_n)
{
	bool broken = false;
	unsigned n = 0;

	while (n < CASE_TENSORS_MAX && read_tensor(folder, prefix, n, &ret[n], &broken)) {
		ret[n].descriptor.index = n;
		n++;
	}
	*ret_n = n;
	return !broken;
}

static void set_folder(char *ret, size_t size, const char *path, unsigned i)
{
	snprintf(ret, size, "%s/test_data_set_%u", path, i);
}

bool case_set_read(const char *path, unsigned i, struct case_set *ret)
{
	char folder[4096];

	ret->n_inputs = ret->n_wanted = 0;
	set_folder(folder, sizeof(folder), path, i);
	return read_tensors(folder, "input", ret->inputs, &ret->n_inputs) &&
	       read_tensors(folder, "output", ret->wanted, &ret->n_wanted);
}

static void free_tensors(struct driver_tensor *tensors, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(tensors[i].data);
}

void case_set_done(struct case_set *set)
{
	free_tensors(set->inputs, set->n_inputs);
	free_tensors(set->wanted, set->n_wanted);
}

unsigned case_sets(const char *path)
{
	char folder[4096];
	struct stat st;

	for (unsigned i = 0;; i++) {
		set_folder(folder, sizeof(folder), path, i);
		if (stat(folder, &st) < 0)
			return i;
	}
}

void case_mend_bfloat16(struct driver_tensor *tensor, uint32_t dtype)
{
	if (dtype == TENSOCK_BFLOAT16 && tensor->descriptor.dtype == TENSOCK_UINT16)
		tensor->descriptor.dtype = TENSOCK_BFLOAT16;
}
