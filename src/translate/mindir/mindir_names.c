/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/mindir/mindir_names.h"

#include <stdlib.h>
#include <string.h>

static int compare(struct onnx_text a, struct onnx_text b)
{
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len ? memcmp(a.bytes, b.bytes, a.len) : 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct mindir_name *left = a, *right = b;

	return compare(left->text, right->text);
}

const struct mindir_name *mindir_names_sort(struct mindir_names *names)
{
	if (names->n)
		qsort(names->items, names->n, sizeof(*names->items), compare_names);
	for (size_t i = 1; i < names->n; i++) {
		if (!compare_names(&names->items[i - 1], &names->items[i]))
			return &names->items[i];
	}
	return NULL;
}

int64_t mindir_names_find(const struct mindir_names *names, struct onnx_text text)
{
	size_t from = 0, to = names->n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int order = compare(text, names->items[middle].text);

		if (!order)
			return names->items[middle].place;
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return -1;
}
