/* SPDX-License-Identifier: Apache-2.0 */
#include "readline_image.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#define CHANNELS 3u
#define ONE 2048 /* a weight of all, as OpenCV's fixed-point arithmetic has it */

/* The size first, so that a few bytes cannot ask for all memory. */
static uint8_t *read_pixels(png_image *png)
{
	static const png_color white = { 255, 255, 255 };
	uint8_t *pixels;

	if ((uint64_t)png->width * png->height > READLINE_PIXELS_MAX) {
		snprintf(png->message, sizeof(png->message), "%u by %u pixels are too many",
			 png->width, png->height);
		return NULL;
	}
	png->format = PNG_FORMAT_BGR;
	pixels = malloc(PNG_IMAGE_SIZE(*png));
	if (!pixels)
		snprintf(png->message, sizeof(png->message), "out of memory");
	else if (!png_image_finish_read(png, &white, pixels, 0, NULL)) {
		free(pixels);
		return NULL;
	}
	return pixels;
}

int readline_image_read(const char *path, struct readline_image *ret, char *ret_why, size_t n_why)
{
	png_image png = { .version = PNG_IMAGE_VERSION };
	uint8_t *pixels = NULL;

	if (png_image_begin_read_from_file(&png, path))
		pixels = read_pixels(&png);
	if (pixels)
		*ret = (struct readline_image){ png.width, png.height, pixels };
	else
		snprintf(ret_why, n_why, "%s", png.message);
	png_image_free(&png);
	return pixels ? 0 : -EINVAL;
}

void readline_image_done(struct readline_image *image)
{
	free(image->pixels);
	*image = (struct readline_image){ 0 };
}

/* Between which two of the old pixels a new one lies, and how much each of them counts. */
struct blend {
	uint32_t a, b;
	int32_t weight_a, weight_b;
};

static struct blend blend_of(uint32_t at, uint32_t n_new, uint32_t n_old)
{
	/* Centres of pixels stand over each other, not their edges. */
	double scale = (double)n_old / n_new;
	float place = (float)((at + 0.5) * scale - 0.5);
	float below = floorf(place);
	float share = place - below;

	if (below < 0)
		return (struct blend){ 0, 0, ONE, 0 };
	if ((uint32_t)below + 1 >= n_old)
		return (struct blend){ n_old - 1, n_old - 1, ONE, 0 };
	return (struct blend){ (uint32_t)below, (uint32_t)below + 1,
			       (int32_t)lrintf((1 - share) * ONE), (int32_t)lrintf(share * ONE) };
}

/* One value of the picture at its new size: its four neighbours of old, in 22 bits of fraction. */
static uint8_t blended(const struct readline_image *image, struct blend x, struct blend y,
		       uint32_t channel)
{
	const uint8_t *above = image->pixels + (size_t)y.a * image->width * CHANNELS + channel;
	const uint8_t *below = image->pixels + (size_t)y.b * image->width * CHANNELS + channel;
	size_t a = (size_t)x.a * CHANNELS, b = (size_t)x.b * CHANNELS;
	int32_t upper = above[a] * x.weight_a + above[b] * x.weight_b;
	int32_t lower = below[a] * x.weight_a + below[b] * x.weight_b;
	int32_t sum = ((y.weight_a * (upper >> 4)) >> 16) + ((y.weight_b * (lower >> 4)) >> 16);

	return (uint8_t)((sum + 2) >> 2);
}

/* How wide the picture becomes, and how wide the model's input is that has it. */
static uint32_t input_width(const struct readline_image *image, uint32_t *ret_picture)
{
	double ratio = (double)image->width / image->height;
	double least = (double)READLINE_WIDTH_MIN / READLINE_HEIGHT;
	uint32_t width = (uint32_t)(READLINE_HEIGHT * (ratio > least ? ratio : least));
	uint32_t picture = (uint32_t)ceil(READLINE_HEIGHT * ratio);

	*ret_picture = picture < width ? picture : width;
	return width;
}

float *readline_image_input(const struct readline_image *image, uint32_t *ret_width)
{
	if ((uint64_t)image->width * READLINE_HEIGHT >
	    (uint64_t)image->height * READLINE_WIDTH_MAX) {
		errno = EFBIG;
		return NULL;
	}

	uint32_t picture;
	uint32_t width = input_width(image, &picture);
	size_t plane = (size_t)READLINE_HEIGHT * width;
	float *input = calloc(CHANNELS * plane, sizeof(*input));
	if (!input)
		return NULL;
	for (uint32_t y = 0; y < READLINE_HEIGHT; y++) {
		struct blend by = blend_of(y, READLINE_HEIGHT, image->height);

		for (uint32_t x = 0; x < picture; x++) {
			struct blend bx = blend_of(x, picture, image->width);

			for (uint32_t c = 0; c < CHANNELS; c++)
				input[c * plane + (size_t)y * width + x] =
					((float)blended(image, bx, by, c) / 255 - 0.5F) / 0.5F;
		}
	}
	*ret_width = width;
	return input;
}
