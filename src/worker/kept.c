/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/kept.h"

#include <errno.h>
#include <string.h>

static void free_copy(struct tensock_tensor *tensor)
{
	free(tensor->data);
}

static int copy_outputs(struct kept *kept)
{
	for (uint32_t i = 0; i < kept->n; i++) {
		struct tensock_tensor *t = &kept->outputs[i];
		void *copy;

		if (t->release || !t->data)
			continue;
		copy = malloc(t->bytes ? t->bytes : 1);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, t->data, t->bytes);
		t->data = copy;
		t->release = free_copy;
	}
	return 0;
}

int kept_new(const struct tensock_tensor *outputs, uint32_t n, struct kept **ret)
{
	struct kept *kept = malloc(sizeof(*kept) + n * sizeof(*outputs));

	if (!kept)
		return -ENOMEM;
	kept->n = n;
	if (n)
		memcpy(kept->outputs, outputs, n * sizeof(*outputs));
	if (copy_outputs(kept) < 0) {
		for (uint32_t i = 0; i < n; i++) {
			if (kept->outputs[i].release == free_copy)
				free(kept->outputs[i].data);
		}
		free(kept);
		return -ENOMEM;
	}
	*ret = kept;
	return 0;
}

void kept_free(struct kept *kept)
{
	if (!kept)
		return;
	kept_release(kept->outputs, kept->n);
	free(kept);
}

void kept_release(struct tensock_tensor *outputs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (outputs[i].release)
			outputs[i].release(&outputs[i]);
		outputs[i].release = NULL;
		outputs[i].data = NULL;
	}
}
