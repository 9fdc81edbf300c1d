/* SPDX-License-Identifier: Apache-2.0 */
#include "readline_image.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <png.h>

#include "base/testing.h"

static char path[] = "/tmp/readline-image-test.XXXXXX";

static int make_file(void **state)
{
	(void)state;
	int fd = mkstemp(path);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_png(uint32_t format, uint32_t width, uint32_t height, const void *pixels,
		      const void *colours)
{
	png_image png = { .version = PNG_IMAGE_VERSION,
			  .width = width,
			  .height = height,
			  .format = format,
			  .colormap_entries = colours ? 2 : 0 };

	assert_true(png_image_write_to_file(&png, path, 0, pixels, 0, colours));
}

static void write_bytes(const void *bytes, size_t n)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	fclose(file);
}

static size_t read_bytes(uint8_t *ret, size_t n)
{
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	size_t size = fread(ret, 1, n, file);
	fclose(file);
	return size;
}

/* Two pixels, from whatever kind of PNG, are these. */
static void assert_pixels(const uint8_t expected[static 6])
{
	struct readline_image image;
	char why[64] = "";

	assert_int_equal(readline_image_read(path, &image, why, sizeof(why)), 0);
	assert_string_equal(why, "");
	assert_int_equal(image.width, 2);
	assert_int_equal(image.height, 1);
	assert_memory_equal(image.pixels, expected, 6);
	readline_image_done(&image);
	readline_image_done(&image);
}

static void test_every_kind_of_png(void **state)
{
	static const uint8_t grey[] = { 7, 200 };
	static const uint8_t rgb[] = { 1, 2, 3, 250, 251, 252 };
	static const uint8_t rgba[] = { 1, 2, 3, 255, 250, 251, 252, 0 };
	static const uint8_t grey_alpha[] = { 9, 255, 9, 0 };
	static const uint8_t indices[] = { 1, 0 };
	static const uint16_t linear[] = { 0, 65535 };

	(void)state;
	write_png(PNG_FORMAT_GRAY, 2, 1, grey, NULL);
	assert_pixels((const uint8_t[]){ 7, 7, 7, 200, 200, 200 });
	write_png(PNG_FORMAT_RGB, 2, 1, rgb, NULL);
	assert_pixels((const uint8_t[]){ 3, 2, 1, 252, 251, 250 });
	write_png(PNG_FORMAT_RGBA, 2, 1, rgba, NULL);
	assert_pixels((const uint8_t[]){ 3, 2, 1, 255, 255, 255 });
	write_png(PNG_FORMAT_GA, 2, 1, grey_alpha, NULL);
	assert_pixels((const uint8_t[]){ 9, 9, 9, 255, 255, 255 });
	write_png(PNG_FORMAT_RGB_COLORMAP, 2, 1, indices, rgb);
	assert_pixels((const uint8_t[]){ 252, 251, 250, 3, 2, 1 });
	write_png(PNG_FORMAT_LINEAR_Y, 2, 1, linear, NULL);
	assert_pixels((const uint8_t[]){ 0, 0, 0, 255, 255, 255 });
}

static void assert_refused(void)
{
	struct readline_image image = { .width = 77 };
	char why[64] = "";

	assert_int_equal(readline_image_read(path, &image, why, sizeof(why)), -EINVAL);
	assert_int_equal(image.width, 77);
	assert_true(why[0] != '\0');
}

static void test_files_that_are_no_png(void **state)
{
	static const uint8_t pixels[64] = { 0 };
	uint8_t bytes[512];

	(void)state;
	write_bytes("", 0);
	assert_refused();
	write_bytes("P5 1 1 255\n\0", 12);
	assert_refused();

	write_png(PNG_FORMAT_GRAY, 8, 8, pixels, NULL);
	size_t n = read_bytes(bytes, sizeof(bytes));
	/* Cut before the pixels end; what follows them nobody misses. */
	for (size_t i = 0; i < n - 16; i++) {
		write_bytes(bytes, i);
		assert_refused();
	}
	/* A false bit where there are checksums. */
	for (size_t i = 8; i < 33; i++) {
		bytes[i] ^= 1;
		write_bytes(bytes, n);
		assert_refused();
		bytes[i] ^= 1;
	}
}

static void test_file_that_is_not_there(void **state)
{
	struct readline_image image;
	char why[4];

	(void)state;
	assert_int_equal(readline_image_read("/nowhere/line.png", &image, why, sizeof(why)),
			 -EINVAL);
	assert_int_equal(strlen(why), sizeof(why) - 1);
}

/* The header of a picture of 60000 by 60000, its checksum right; no pixels, so none may be asked for. */
static void test_size_is_refused_before_memory_is_taken(void **state)
{
	static const uint8_t bytes[] = {
		0x89, 'P',  'N',  'G',  '\r', '\n', 0x1a, '\n', 0,    0,   0,   13, 'I', 'H', 'D',
		'R',  0,    0,    0xea, 0x60, 0,    0,    0xea, 0x60, 8,   2,   0,  0,   0,   0x0f,
		0xb0, 0xe2, 0x15, 0,    0,    0,    1,    'I',  'D',  'A', 'T', 0,  0,   0,
	};
	struct readline_image image;
	char why[64];

	(void)state;
	write_bytes(bytes, sizeof(bytes));
	assert_int_equal(readline_image_read(path, &image, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "60000 by 60000 pixels are too many");
}

static float *input_of(uint32_t width, uint32_t height, uint8_t *pixels, uint32_t *ret_width)
{
	return readline_image_input(&(const struct readline_image){ width, height, pixels },
				    ret_width);
}

static void test_width_goes_with_the_height(void **state)
{
	static const uint32_t shapes[][4] = {
		/* width and height; of the input, and of it the picture's part */
		{ 96, 48, 320, 96 },   { 10, 20, 320, 24 },      { 320, 48, 320, 320 },
		{ 321, 48, 321, 321 }, { 700, 30, 1120, 1120 },  { 101, 7, 692, 692 },
		{ 1, 100, 320, 1 },    { 2048, 24, 4096, 4096 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const uint32_t *s = shapes[i];
		size_t n = (size_t)s[0] * s[1] * 3;
		uint8_t *pixels = malloc(n);
		uint32_t width = 0;

		assert_non_null(pixels);
		memset(pixels, 255, n);
		float *input = input_of(s[0], s[1], pixels, &width);
		assert_non_null(input);
		assert_int_equal(width, s[2]);
		for (size_t row = 0; row < 3UL * READLINE_HEIGHT; row++)
			for (uint32_t x = 0; x < width; x++)
				assert_true(fabsf(input[row * width + x] -
						  (x < s[3] ? 1.0F : 0.0F)) < 1e-6F);
		free(input);
		free(pixels);
	}
}

static void test_too_wide_for_a_line(void **state)
{
	uint32_t width = 7;

	(void)state;
	errno = 0;
	assert_null(input_of(2049, 24, NULL, &width));
	assert_int_equal(errno, EFBIG);
	assert_null(input_of(UINT32_MAX, 1, NULL, &width));
	assert_int_equal(width, 7);
}

/* At its own height a picture stays as it is, its channels apart. */
static void test_same_height(void **state)
{
	static uint8_t pixels[READLINE_HEIGHT][4][3];
	uint32_t width;

	(void)state;
	for (size_t i = 0; i < sizeof(pixels); i++)
		((uint8_t *)pixels)[i] = (uint8_t)(i * 7);
	float *input = input_of(4, READLINE_HEIGHT, &pixels[0][0][0], &width);
	assert_non_null(input);
	for (size_t c = 0; c < 3; c++)
		for (size_t y = 0; y < READLINE_HEIGHT; y++)
			for (size_t x = 0; x < 4; x++)
				assert_true(fabsf(input[(c * READLINE_HEIGHT + y) * width + x] -
						  ((float)pixels[y][x][c] / 127.5F - 1)) < 1e-6F);
	free(input);
}

/* As OpenCV's resize() of 3 by 2 pixels has it, of 8-bit values by linear interpolation. */
static void test_between_pixels(void **state)
{
	static uint8_t pixels[2][3][3] = {
		{ { 0, 0, 0 }, { 100, 100, 100 }, { 200, 200, 200 } },
		{ { 50, 50, 50 }, { 255, 255, 255 }, { 10, 10, 10 } },
	};
	static const struct {
		size_t x, y;
		uint8_t value;
	} expected[] = { { 0, 0, 0 },     { 11, 11, 0 },   { 12, 12, 3 },   { 23, 20, 83 },
			 { 36, 24, 179 }, { 40, 30, 188 }, { 47, 25, 142 }, { 60, 36, 10 },
			 { 71, 47, 10 },  { 30, 23, 140 } };
	uint32_t width;

	(void)state;
	float *input = input_of(3, 2, &pixels[0][0][0], &width);
	assert_non_null(input);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		float value = input[expected[i].y * width + expected[i].x];

		assert_int_equal(lrintf((value + 1) * 127.5F), expected[i].value);
	}
	free(input);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_every_kind_of_png),
		TSK_TEST(test_files_that_are_no_png),
		TSK_TEST(test_file_that_is_not_there),
		TSK_TEST(test_size_is_refused_before_memory_is_taken),
		TSK_TEST(test_width_goes_with_the_height),
		TSK_TEST(test_too_wide_for_a_line),
		TSK_TEST(test_same_height),
		TSK_TEST(test_between_pixels),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
