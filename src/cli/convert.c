/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/status.h"
#include "cli/commands.h"
#include "cli/file.h"
#include "cli/json.h"
#include "cli/text.h"
#include "translate/translate.h"

static const char help[] =
	"usage: tensock convert IN OUT.onnx\n"
	"\n"
	"Translates a model of MindSpore's (.mindir) or MindSpore Lite's (.ms) to ONNX, as the host does\n"
	"before it runs one.  Names, types and shapes of inputs and outputs stay.  Needs no host.\n"
	"\n"
	"  --json             print one JSON document\n";

static const struct arg_option options[] = {
	CLI_OPTIONS_END,
};

static int read_line(struct cli *cli, struct args *args, const char **ret_in, const char **ret_out)
{
	const char *value;
	int id;

	while ((id = cli_next(cli, args, options, &value)) != ARG_END) {
		if (id == CLI_STOP)
			return CLI_STOP;
		if (!*ret_in)
			*ret_in = value;
		else if (!*ret_out)
			*ret_out = value;
		else
			return cli_usage(cli, "'%.80s' is too much", value);
	}
	if (!*ret_out)
		return cli_usage(cli, "%s is missing", *ret_in ? "OUT.onnx" : "IN");
	return 0;
}

static int refuse_format(const char *path, enum model_format format, struct tensock_error *reterr)
{
	if (format == MODEL_FORMAT_ONNX)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"%.150s looks like ONNX already: there is nothing to translate",
				path);
	return tsk_fail(reterr, TENSOCK_INVALID_MODEL,
			"%.150s is neither a .mindir nor a .ms model", path);
}

static int convert(const char *path, enum model_format *ret_format, struct translation *ret,
		   struct tensock_error *reterr)
{
	_cleanup_free_ unsigned char *bytes = NULL;
	enum model_format format;
	size_t n;
	int r = file_read(path, &bytes, &n, reterr);

	if (r < 0)
		return r;
	format = model_format(bytes, n);
	if (format != MODEL_FORMAT_MINDIR && format != MODEL_FORMAT_MS)
		return refuse_format(path, format, reterr);
	r = translate(bytes, n, ret, reterr);
	if (r < 0)
		tsk_error_prefix(reterr, "%.100s", path);
	else
		*ret_format = format;
	return r;
}

static int save(const char *path, const struct translation *translation,
		struct tensock_error *reterr)
{
	char *temporary = NULL;
	FILE *file;
	int r = file_create(path, &file, &temporary, reterr);

	if (r < 0)
		return r;
	fwrite(translation->onnx, 1, translation->n_bytes, file);
	r = file_finish(file, path, temporary, true, reterr);
	free(temporary);
	return r;
}

static void tell(const struct cli *cli, const char *out, enum model_format format, size_t n_bytes)
{
	char size[TEXT_QUANTITY_BYTES];
	struct json json = json_of(stdout);

	if (!cli->json) {
		/* Where the model itself goes to standard output, nothing else does. */
		fprintf(stderr, "%s: ONNX, %s\n", out, text_size(n_bytes, size));
		return;
	}
	json_object(&json);
	json_key(&json, "from");
	json_string(&json, model_format_name(format));
	json_key(&json, "file");
	json_string(&json, out);
	json_key(&json, "bytes");
	json_uint(&json, n_bytes);
	json_end_object(&json);
}

static void convert_run(struct cli *cli, struct args *args)
{
	struct translation translation = { 0 };
	const char *in = NULL, *out = NULL;
	enum model_format format = MODEL_FORMAT_UNKNOWN;
	struct tensock_error error;

	if (read_line(cli, args, &in, &out) < 0)
		return;
	if (convert(in, &format, &translation, &error) < 0 || save(out, &translation, &error) < 0)
		cli_fail_here(cli, &error);
	else
		tell(cli, out, format, translation.n_bytes);
	translation_done(&translation);
}

const struct cli_command cli_convert = {
	.name = "convert",
	.summary = "a MindSpore model as ONNX, here",
	.help = help,
	.run = convert_run,
};
