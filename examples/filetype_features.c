/* SPDX-License-Identifier: Apache-2.0 */
#include "filetype_features.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* What is there of size bytes at offset: fewer where the file has become shorter, or -errno. */
static ssize_t read_at(int fd, uint8_t *ret, size_t size, off_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, ret + done, size - done, offset + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int filetype_ends_read(int fd, struct filetype_ends *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;

	uint64_t file_bytes = st.st_size > 0 ? (uint64_t)st.st_size : 0;
	size_t block =
		file_bytes < FILETYPE_BLOCK_BYTES ? (size_t)file_bytes : FILETYPE_BLOCK_BYTES;
	ssize_t begin = read_at(fd, ret->begin, block, 0);
	ssize_t end = begin < 0 ? begin : read_at(fd, ret->end, block, st.st_size - (off_t)block);

	if (end < 0)
		return (int)end;
	ret->file_bytes = file_bytes;
	ret->begin_bytes = (size_t)begin;
	ret->end_bytes = (size_t)end;
	return 0;
}

static bool is_space(uint8_t byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* How many bytes at the start of these are white space. */
static size_t leading_spaces(const uint8_t *bytes, size_t n)
{
	size_t i = 0;

	while (i < n && is_space(bytes[i]))
		i++;
	return i;
}

/*
 * The length of the UTF-8 character at the start of n > 0 bytes; 0 when it is none: cut short, longer
 * than it need be, a surrogate, or above U+10FFFF.
 */
static size_t utf8_character(const uint8_t *bytes, size_t n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t first = bytes[0];
	size_t length = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : 4;
	uint32_t value = length == 1 ? first : first & (0xffu >> (length + 1));

	if ((length == 4 && first >> 3 != 30) || length > n)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if (bytes[i] >> 6 != 2)
			return 0;
		value = value << 6 | (bytes[i] & 0x3fu);
	}
	if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	return length;
}

static bool is_utf8(const uint8_t *bytes, size_t n)
{
	while (n > 0) {
		size_t length = utf8_character(bytes, n);

		if (length == 0)
			return false;
		bytes += length;
		n -= length;
	}
	return true;
}

const char *filetype_by_rule(const struct filetype_ends *ends)
{
	size_t spaces = leading_spaces(ends->begin, ends->begin_bytes);

	if (ends->file_bytes == 0)
		return "empty";
	if (ends->begin_bytes - spaces >= FILETYPE_MODEL_BYTES_MIN)
		return NULL;
	return is_utf8(ends->begin, ends->begin_bytes) ? "txt" : "unknown";
}

void filetype_tokens(const struct filetype_ends *ends, int32_t ret_tokens[static FILETYPE_TOKENS])
{
	int32_t *end_tokens = ret_tokens + FILETYPE_BEGIN_TOKENS;
	size_t spaces = leading_spaces(ends->begin, ends->begin_bytes);
	size_t end_bytes = ends->end_bytes;

	while (end_bytes > 0 && is_space(ends->end[end_bytes - 1]))
		end_bytes--;
	for (size_t i = 0; i < FILETYPE_BEGIN_TOKENS; i++)
		ret_tokens[i] =
			i < ends->begin_bytes - spaces ? ends->begin[spaces + i] : FILETYPE_PADDING;
	/* The last byte is the last token: padding comes before. */
	for (size_t i = 0; i < FILETYPE_END_TOKENS; i++)
		end_tokens[FILETYPE_END_TOKENS - 1 - i] =
			i < end_bytes ? ends->end[end_bytes - 1 - i] : FILETYPE_PADDING;
}
