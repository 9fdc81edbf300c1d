/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/findings.h"

#include <stdarg.h>

#include "cli/json.h"
#include "cli/text.h"

static const char *const level_names[] = {
	[FINDING_OK] = "ok",
	[FINDING_WARN] = "warn",
	[FINDING_FAIL] = "fail",
};

void findings_add(struct findings *findings, enum finding_level level, const char *mend,
		  const char *fmt, ...)
{
	struct finding *finding = &findings->list[findings->n];
	va_list args;

	if (findings->n == FINDINGS_MAX)
		return;
	findings->n++;
	finding->level = level;
	finding->mend = mend;
	va_start(args, fmt);
	vsnprintf(finding->text, sizeof(finding->text), fmt, args);
	va_end(args);
}

bool findings_have(const struct findings *findings, enum finding_level level)
{
	for (unsigned i = 0; i < findings->n; i++) {
		if (findings->list[i].level == level)
			return true;
	}
	return false;
}

void findings_print(FILE *out, const struct findings *findings)
{
	for (unsigned i = 0; i < findings->n; i++) {
		const struct finding *finding = &findings->list[i];

		fprintf(out, "%-4s  ", level_names[finding->level]);
		text_print(out, finding->text);
		fputc('\n', out);
		if (finding->mend)
			fprintf(out, "      → %s\n", finding->mend);
	}
}

void findings_json(FILE *out, const struct findings *findings)
{
	struct json json = json_of(out);

	json_object(&json);
	json_key(&json, "findings");
	json_array(&json);
	for (unsigned i = 0; i < findings->n; i++) {
		json_object(&json);
		json_key(&json, "level");
		json_string(&json, level_names[findings->list[i].level]);
		json_key(&json, "text");
		json_string(&json, findings->list[i].text);
		json_key(&json, "mend");
		if (findings->list[i].mend)
			json_string(&json, findings->list[i].mend);
		else
			json_null(&json);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
}
