/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file, and the command line's --listen and --vm, which share its parsers. */
#include "supervisor/config.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tensock_error error;
	struct config config;
	char text[256] = "";

	config_init(&config);
	if (config_parse(&config, "fuzz", (const char *)data, size, &error) == 0) {
		bool finished = config_finish(&config, &error) == 0;

		/* config_finish() has left something out */
		if (finished &&
		    (!config.engines.n || config.engines.n > ENGINES_MAX ||
		     !config.engines.list[config.engines.n - 1].threads ||
		     config.engines.list[config.engines.n - 1].parallel > ENGINES_PARALLEL_MAX))
			abort();
	}
	config_done(&config);

	memcpy(text, data, size < sizeof(text) ? size : sizeof(text) - 1);
	config_init(&config);
	if (config_set_vm(&config, text, &error) == 0 && config_finish(&config, &error) == 0) {
		if (config.n_guests != 1 || config.guests[0].cid < CONFIG_CID_FIRST)
			abort();
	}
	if (config_add_listen(&config, text, &error) == 0) {
		struct address again;
		char back[ADDRESS_TEXT_SIZE];

		address_format(&config.listens[0], back);
		if (address_parse(back, &again, &error) < 0)
			abort(); /* what was formatted must be readable */
	}
	config_done(&config);
	return 0;
}
