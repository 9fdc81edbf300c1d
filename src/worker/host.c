/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/host.h"

#include <pthread.h>
#include <string.h>

#include "base/log.h"

_Static_assert((int)TENSOCK_LOG_ERROR == TSK_LOG_ERROR &&
		       (int)TENSOCK_LOG_WARNING == TSK_LOG_WARNING &&
		       (int)TENSOCK_LOG_INFO == TSK_LOG_INFO &&
		       (int)TENSOCK_LOG_DEBUG == TSK_LOG_DEBUG,
	       "an engine's levels are those of the log");

void host_log(enum tensock_log_level level, const char *text)
{
	/* An engine has threads of its own, and the log belongs to one. */
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&mutex);
	tsk_log((enum tsk_log_level)level, "%s", text);
	pthread_mutex_unlock(&mutex);
}

static void log_of_engine(void *context, uint32_t level, const char *text)
{
	(void)context;
	if (text)
		host_log(level < TENSOCK_LOG_DEBUG ? (enum tensock_log_level)level
						   : TENSOCK_LOG_DEBUG,
			 text);
}

static const char *option_value(void *context, const char *name)
{
	const struct host *host = context;

	for (unsigned i = host->n_options; i > 0; i--) {
		if (strcmp(host->options[i - 1].name, name) == 0)
			return host->options[i - 1].value;
	}
	return NULL;
}

void host_init(struct host *host)
{
	*host = (struct host){ .api = { .size = sizeof(host->api),
					.abi_major = TENSOCK_ENGINE_ABI_MAJOR,
					.context = host,
					.log = log_of_engine,
					.option = option_value } };
}

bool host_add_option(struct host *host, char *text)
{
	char *equals = strchr(text, '=');

	if (!equals || equals == text || host->n_options == HOST_OPTIONS_MAX)
		return false;
	*equals = '\0';
	host->options[host->n_options].name = text;
	host->options[host->n_options].value = equals + 1;
	host->n_options++;
	return true;
}
