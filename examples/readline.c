/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text in a picture of one line: the picture is made ready here, the model that reads runs on the
 * host.
 *
 *	$ readline ch_PP-OCRv4_rec_infer.onnx line.png
 *	Hello, guest 42!
 *
 * The steps of such a program: have the model held by the host (example_model.c), make its input
 * (readline_image.c), ask, and say what the answer means (readline_text.c).
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tensock/tensock.h>

#include "example_model.h"
#include "readline_image.h"
#include "readline_text.h"

static const char usage[] =
	"usage: readline [--host ADDRESS] [--characters FILE] [--certainty] MODEL IMAGE...\n"
	"Reads the one line of text in each IMAGE, a PNG file, and prints it.  MODEL is PP-OCR's for\n"
	"recognition, which the host runs: it is sent there the first time.\n"
	"\n"
	"  --host ADDRESS     vsock:CID:PORT, unix:PATH or tcp:HOST:PORT (default: $TENSOCK_HOST, or\n"
	"                     the host of a guest with vsguest=1, or unix:/run/tensock/tensock.sock)\n"
	"  --characters FILE  those that the model knows (default: MODEL with .characters for .onnx)\n"
	"  --certainty        before the text, how certain it is, from 0 to 1\n"
	"\n"
	"Exit status: 0 when every IMAGE could be read, 1 when something failed, 2 for a wrong command line.\n";

struct options {
	const char *host;
	const char *characters;
	const char *model;
	char **images;
	bool certainty;
};

/* The picture as the model's input; the caller's to free.  NULL after having said why. */
static float *read_input(const char *path, uint32_t *ret_width)
{
	struct readline_image image;
	char why[96];

	if (readline_image_read(path, &image, why, sizeof(why)) < 0) {
		fprintf(stderr, "readline: cannot read %s: %s\n", path, why);
		return NULL;
	}
	float *input = readline_image_input(&image, ret_width);
	int error = errno;
	readline_image_done(&image);
	if (!input)
		fprintf(stderr, "readline: %s: %s\n", path,
			error == EFBIG ? "too wide for its height to be one line of text"
				       : strerror(error));
	return input;
}

/* The text that the model's output stands for; the caller's to free.  NULL after having said why. */
static char *text_of(const struct tensock_output *output,
		     const struct readline_characters *characters, double *ret_certainty)
{
	size_t n_scores = readline_scores(characters);
	char *text = NULL;
	int r = -EDOM;

	if (output->dtype == TENSOCK_FLOAT32 && output->rank == 3 && output->dims[0] == 1 &&
	    output->dims[2] == (int64_t)n_scores)
		r = readline_text(characters, output->data, (size_t)output->dims[1], &text,
				  ret_certainty);
	if (r < 0)
		fprintf(stderr, "readline: %s\n",
			r == -EDOM ? "the host's answer is none of this model" : strerror(-r));
	return text;
}

/* True when it could be read, and was printed. */
static bool read_image(struct example_model *model, const struct readline_characters *characters,
		       const char *path, bool with_certainty)
{
	struct tensock_output output = { .data = NULL };
	uint32_t width;
	double certainty;
	char *text = NULL;
	float *picture = read_input(path, &width);

	if (!picture)
		return false;
	const struct tensock_input input = {
		.dtype = TENSOCK_FLOAT32,
		.rank = 4,
		.dims = { 1, 3, READLINE_HEIGHT, width },
		.data = picture,
		.bytes = sizeof(float) * 3 * READLINE_HEIGHT * width,
	};
	if (example_model_run(model, &input, &output))
		text = text_of(&output, characters, &certainty);
	if (text && with_certainty)
		printf("%.2f ", certainty);
	if (text)
		puts(text);
	fflush(stdout);

	bool ok = text != NULL;
	free(text);
	tensock_outputs_done(&output, 1);
	free(picture);
	return ok;
}

/* True when all could be read. */
static bool read_images(struct example_model *model, const struct readline_characters *characters,
			const struct options *options)
{
	bool all = true;

	for (char **image = options->images; *image && !model->failed; image++)
		all = read_image(model, characters, *image, options->certainty) && all;
	return all;
}

static int read_characters(FILE *file, void *ret, unsigned *ret_line)
{
	return readline_characters_read(file, ret, ret_line);
}

static bool run(const struct options *options)
{
	struct readline_characters characters;
	const struct example_table table = {
		.program = "readline",
		.path = options->characters,
		.model_path = options->model,
		.suffix = ".characters",
		.read = read_characters,
	};
	struct example_model model;
	bool ok = false;

	if (!example_table_read(&table, &characters))
		return false;
	if (example_model_open("readline", options->host, options->model, "pp-ocr-rec", &model)) {
		ok = example_model_is(&model, (struct example_shape){ TENSOCK_FLOAT32, 4, 0 },
				      (struct example_shape){
					      TENSOCK_FLOAT32, 3,
					      (int64_t)readline_scores(&characters) }) &&
		     read_images(&model, &characters, options);
		example_model_done(&model);
	}
	readline_characters_done(&characters);
	return ok;
}

/* True when the command line makes sense. */
static bool parse_options(int argc, char **argv, struct options *ret)
{
	static const struct option known[] = {
		{ "host", required_argument, NULL, 'H' },
		{ "characters", required_argument, NULL, 'c' },
		{ "certainty", no_argument, NULL, 'C' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", known, NULL)) >= 0) {
		if (c == 'h') {
			fputs(usage, stdout);
			exit(0);
		}
		if (c == 'H')
			ret->host = optarg;
		else if (c == 'c')
			ret->characters = optarg;
		else if (c == 'C')
			ret->certainty = true;
		else
			return false;
	}
	if (argc - optind < 2)
		return false;
	ret->model = argv[optind];
	ret->images = argv + optind + 1;
	return true;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };

	if (!parse_options(argc, argv, &options)) {
		fputs(usage, stderr);
		return 2;
	}
	return run(&options) ? 0 : 1;
}
