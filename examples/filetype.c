/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of which type a file is: its bytes are looked at here, the model that knows types runs on the host.
 *
 *	$ filetype magika_standard_v3_3.onnx README.md
 *	README.md: markdown 0.99
 *
 * The steps of such a program: have the model held by the host (example_model.c), make its input
 * (filetype_features.c), ask, and say what the answer means (filetype_types.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tensock/tensock.h>

#include "example_model.h"
#include "filetype_features.h"
#include "filetype_types.h"

static const char usage[] =
	"usage: filetype [--host ADDRESS] [--types FILE] MODEL FILE...\n"
	"Says of which type each FILE is, and how certain that is, from 0 to 1.  MODEL is magika's,\n"
	"which the host runs: it is sent there the first time.\n"
	"\n"
	"  --host ADDRESS  vsock:CID:PORT, unix:PATH or tcp:HOST:PORT (default: $TENSOCK_HOST, or\n"
	"                  the host of a guest with vsguest=1, or unix:/run/tensock/tensock.sock)\n"
	"  --types FILE    what the model's answers mean (default: MODEL with .types for .onnx)\n"
	"\n"
	"Exit status: 0 when every FILE could be read, 1 when something failed, 2 for a wrong command line.\n";

struct options {
	const char *host;
	const char *types;
	const char *model;
	char **files;
};

/* Asks the model.  False after having said why. */
static bool ask(struct example_model *model, const struct filetype_types *types,
		const struct filetype_ends *ends, struct filetype_verdict *ret)
{
	static int32_t tokens[FILETYPE_TOKENS];
	static float scores[FILETYPE_TYPES_MAX];
	const struct tensock_input input = {
		.dtype = TENSOCK_INT32,
		.rank = 2,
		.dims = { 1, FILETYPE_TOKENS },
		.data = tokens,
		.bytes = sizeof(tokens),
	};
	struct tensock_output output = { .data = scores, .capacity = sizeof(scores) };

	filetype_tokens(ends, tokens);
	if (!example_model_run(model, &input, &output))
		return false;
	if (output.dtype != TENSOCK_FLOAT32 || output.bytes != types->n * sizeof(float) ||
	    !filetype_judge(types, scores, ret)) {
		fprintf(stderr, "filetype: the host's answer is none of this model\n");
		return false;
	}
	return true;
}

/* The ends of a regular file.  False after having said why. */
static bool read_ends(const char *path, struct filetype_ends *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r = fd < 0 ? -errno : filetype_ends_read(fd, ret);

	if (fd >= 0)
		close(fd);
	if (r < 0)
		fprintf(stderr, "filetype: cannot read %s: %s\n", path, strerror(-r));
	return r >= 0;
}

/* False after having said why. */
static bool identify(struct example_model *model, const struct filetype_types *types,
		     const char *path, struct filetype_verdict *ret)
{
	static struct filetype_ends ends;
	struct stat st;

	*ret = (struct filetype_verdict){ .certainty = 1 };
	if (stat(path, &st) < 0) {
		fprintf(stderr, "filetype: cannot read %s: %s\n", path, strerror(errno));
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		ret->name = S_ISDIR(st.st_mode) ? "directory" : "unknown";
		return true;
	}
	if (!read_ends(path, &ends))
		return false;
	ret->name = filetype_by_rule(&ends);
	return ret->name || ask(model, types, &ends, ret);
}

/* True when all could be identified. */
static bool identify_all(struct example_model *model, const struct filetype_types *types,
			 char *const *paths)
{
	bool all = true;

	for (; *paths && !model->failed; paths++) {
		struct filetype_verdict verdict;

		if (!identify(model, types, *paths, &verdict)) {
			all = false;
			continue;
		}
		printf("%s: %s %.2f", *paths, verdict.name, (double)verdict.certainty);
		if (verdict.guess)
			printf(" (perhaps %s)", verdict.guess);
		putchar('\n');
		fflush(stdout);
	}
	return all;
}

static int read_types(FILE *file, void *ret, unsigned *ret_line)
{
	return filetype_types_read(file, ret, ret_line);
}

static bool run(const struct options *options)
{
	struct filetype_types types;
	const struct example_table table = {
		.program = "filetype",
		.path = options->types,
		.model_path = options->model,
		.suffix = ".types",
		.read = read_types,
	};
	struct example_model model;
	bool ok = false;

	if (!example_table_read(&table, &types))
		return false;
	if (example_model_open("filetype", options->host, options->model, "magika", &model)) {
		ok = example_model_is(&model,
				      (struct example_shape){ TENSOCK_INT32, 2, FILETYPE_TOKENS },
				      (struct example_shape){ TENSOCK_FLOAT32, 2,
							      (int64_t)types.n }) &&
		     identify_all(&model, &types, options->files);
		example_model_done(&model);
	}
	filetype_types_done(&types);
	return ok;
}

/* True when the command line makes sense. */
static bool parse_options(int argc, char **argv, struct options *ret)
{
	static const struct option known[] = {
		{ "host", required_argument, NULL, 'H' },
		{ "types", required_argument, NULL, 't' },
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
		else if (c == 't')
			ret->types = optarg;
		else
			return false;
	}
	if (argc - optind < 2)
		return false;
	ret->model = argv[optind];
	ret->files = argv + optind + 1;
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
