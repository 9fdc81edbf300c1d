/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/log_budget.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

bool log_budget_allows(struct log_budget *budget, unsigned per_second, uint64_t now_ns,
		       uint64_t *ret_dropped)
{
	uint64_t second = now_ns / TSK_NS_PER_SEC;

	if (second != budget->second) {
		budget->second = second;
		budget->lines = 0;
	}
	if (budget->lines >= per_second) {
		budget->dropped++;
		return false;
	}
	budget->lines++;
	*ret_dropped = budget->dropped;
	budget->dropped = 0;
	return true;
}

static void log_all(struct log_budget *budget, unsigned per_second, enum tsk_log_level level,
		    const char *kind, const char *who, const char *fmt, va_list args)
{
	char text[700];
	uint64_t dropped;

	if (!log_budget_allows(budget, per_second, tsk_now_ns(), &dropped))
		return;
	if (dropped)
		tsk_warning("%s%s: %" PRIu64 " log lines about it were dropped", kind, who,
			    dropped);
	vsnprintf(text, sizeof(text), fmt, args);
	tsk_log(level, "%s%s: %s", kind, who, text);
}

void log_about_socket(struct log_budget *budget, const char *who, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_all(budget, LOG_BUDGET_REFUSALS, TSK_LOG_WARNING, "", who, fmt, args);
	va_end(args);
}

void log_about_refusal(struct log_budget *budget, const char *name, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_all(budget, LOG_BUDGET_REFUSALS, TSK_LOG_WARNING, "guest ", name, fmt, args);
	va_end(args);
}

void log_about_guest(struct log_budget *budget, enum tsk_log_level level, const char *name,
		     const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_all(budget, LOG_BUDGET_GUEST, level, "guest ", name, fmt, args);
	va_end(args);
}
