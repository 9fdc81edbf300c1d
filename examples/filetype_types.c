/* SPDX-License-Identifier: Apache-2.0 */
#include "filetype_types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX 512u
#define CERTAINTY_MAX 1.001f /* one, and what rounding adds to it */

/* The next word of a line goes to ret.  False when there is none, or one that is too long. */
static bool take_word(char **line, char ret[static FILETYPE_NAME_BYTES_MAX])
{
	const char *word = strsep(line, "\t");
	size_t length = word ? strlen(word) : 0;

	if (length == 0 || length >= FILETYPE_NAME_BYTES_MAX)
		return false;
	memcpy(ret, word, length + 1);
	return true;
}

static bool take_share(char **line, double *ret)
{
	char word[FILETYPE_NAME_BYTES_MAX];
	char *end;

	if (!take_word(line, word))
		return false;
	/* The locale is C's, since nobody has set another. */
	double v = strtod(word, &end);
	if (*end || !(v >= 0 && v <= 1))
		return false;
	*ret = v;
	return true;
}

static bool parse_type(char *line, struct filetype_type *ret)
{
	return take_word(&line, ret->name) && take_share(&line, &ret->threshold) &&
	       take_word(&line, ret->known_as) && take_word(&line, ret->otherwise) && !line;
}

/* Room for one more.  0 or -errno. */
static int make_room(struct filetype_types *types, size_t *capacity)
{
	if (types->n < *capacity)
		return 0;
	if (types->n >= FILETYPE_TYPES_MAX)
		return -E2BIG;

	size_t more = *capacity ? *capacity * 2 : 256;
	struct filetype_type *grown = reallocarray(types->types, more, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	types->types = grown;
	*capacity = more;
	return 0;
}

/* 1 for a line, without its end; 0 at the end of the file; or -errno: -EINVAL for one that is too long. */
static int read_line(FILE *file, char ret[static LINE_BYTES_MAX])
{
	if (!fgets(ret, LINE_BYTES_MAX, file))
		return ferror(file) ? -EIO : 0;

	size_t length = strcspn(ret, "\n");
	if (ret[length] != '\n' && !feof(file))
		return -EINVAL;
	ret[length] = '\0';
	return 1;
}

int filetype_types_read(FILE *file, struct filetype_types *ret, unsigned *ret_line)
{
	struct filetype_types types = { 0 };
	char line[LINE_BYTES_MAX];
	size_t capacity = 0;
	unsigned number = 0;
	int r;

	while (number++, (r = read_line(file, line)) > 0) {
		if (line[0] == '#')
			continue;
		r = make_room(&types, &capacity);
		if (r == 0 && !parse_type(line, &types.types[types.n]))
			r = -EINVAL;
		if (r < 0)
			break;
		types.n++;
	}
	if (r == 0 && types.n == 0)
		r = -ENODATA;
	if (r < 0) {
		filetype_types_done(&types);
		*ret_line = r == -EINVAL ? number : 0;
		return r;
	}
	*ret = types;
	return 0;
}

void filetype_types_done(struct filetype_types *types)
{
	free(types->types);
	*types = (struct filetype_types){ 0 };
}

bool filetype_judge(const struct filetype_types *types, const float *scores,
		    struct filetype_verdict *ret)
{
	size_t best = 0;

	for (size_t i = 0; i < types->n; i++) {
		if (!(scores[i] >= 0 && scores[i] <= CERTAINTY_MAX))
			return false;
		if (scores[i] > scores[best])
			best = i;
	}

	const struct filetype_type *type = &types->types[best];
	bool certain = scores[best] >= type->threshold;
	ret->name = certain ? type->known_as : type->otherwise;
	ret->guess = certain || strcmp(type->name, ret->name) == 0 ? NULL : type->name;
	ret->certainty = scores[best];
	return true;
}
