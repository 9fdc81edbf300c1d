/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A picture of one line of text, and what the recognition model of PP-OCR wants of it.  As the Python
 * package rapidocr-onnxruntime 1.4.4 does it.
 */
#ifndef READLINE_IMAGE_H
#define READLINE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#define READLINE_HEIGHT 48u             /* of the model's input */
#define READLINE_WIDTH_MIN 320u         /* of it: what is narrower is padded */
#define READLINE_WIDTH_MAX 4096u        /* above that it is no line of text */
#define READLINE_PIXELS_MAX (16u << 20) /* of a picture */

struct readline_image {
	uint32_t width, height;
	uint8_t *pixels; /* blue, green, red; row by row, without gaps */
};

/*
 * Reads a PNG of any kind: what is transparent becomes white.  0, or -EINVAL with a sentence in
 * ret_why (at most n_why bytes, with its end).
 */
int readline_image_read(const char *path, struct readline_image *ret, char *ret_why, size_t n_why);
void readline_image_done(struct readline_image *image);

/*
 * The model's input, float[3][READLINE_HEIGHT][*ret_width], from malloc: the picture at that height,
 * as wide as its shape asks, each value brought to -1 to 1, zeros to the right of it.
 * NULL with errno: EFBIG for a picture too wide for its height, ENOMEM.
 */
float *readline_image_input(const struct readline_image *image, uint32_t *ret_width);

#endif
