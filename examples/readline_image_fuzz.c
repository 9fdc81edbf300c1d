/* SPDX-License-Identifier: Apache-2.0 */
/* A picture, whatever is in it, ends as the model's input, each value of it from -1 to 1, or as a sentence. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "readline_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_input(const struct readline_image *image)
{
	uint32_t width = 0;
	float *input = readline_image_input(image, &width);

	if (!input)
		return;
	if (width < READLINE_WIDTH_MIN || width > READLINE_WIDTH_MAX)
		abort();
	for (size_t i = 0; i < 3UL * READLINE_HEIGHT * width; i++)
		if (!(input[i] >= -1 && input[i] <= 1))
			abort();
	free(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("picture", MFD_CLOEXEC);
	struct readline_image image;
	char path[64], why[64];

	if (fd < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, data, size) == (ssize_t)size) {
		if (readline_image_read(path, &image, why, sizeof(why)) == 0) {
			check_input(&image);
			readline_image_done(&image);
		} else if (why[0] == '\0') {
			abort();
		}
	}
	close(fd);
	return 0;
}
