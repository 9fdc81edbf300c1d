/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What magika looks at of a file: the bytes at its beginning and at its end.  As the Python package
 * magika 1.0.3 does it for the model standard_v3_3.
 */
#ifndef FILETYPE_FEATURES_H
#define FILETYPE_FEATURES_H

#include <stddef.h>
#include <stdint.h>

#define FILETYPE_BLOCK_BYTES 4096u /* what is read of each end of a file, at most */
#define FILETYPE_BEGIN_TOKENS 1024u
#define FILETYPE_END_TOKENS 1024u
#define FILETYPE_TOKENS (FILETYPE_BEGIN_TOKENS + FILETYPE_END_TOKENS) /* the model's input */
#define FILETYPE_PADDING 256
#define FILETYPE_MODEL_BYTES_MIN 8u /* a file with fewer is judged by rule */

/* Of one file: its first bytes and its last; they overlap when the file is short. */
struct filetype_ends {
	uint64_t file_bytes;
	size_t begin_bytes;
	size_t end_bytes;
	uint8_t begin[FILETYPE_BLOCK_BYTES];
	uint8_t end[FILETYPE_BLOCK_BYTES];
};

/* 0, or -errno. */
int filetype_ends_read(int fd, struct filetype_ends *ret);

/* "empty", "txt", "unknown" for a file that is judged by rule; NULL for one that the model must see. */
const char *filetype_by_rule(const struct filetype_ends *ends);

/* The model's input: white space before the first byte and after the last does not count. */
void filetype_tokens(const struct filetype_ends *ends, int32_t ret_tokens[static FILETYPE_TOKENS]);

#endif
